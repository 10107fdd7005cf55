/* SPDX-License-Identifier: Apache-2.0
 *
 * Restart: the producer dies between any two of its steps, twice; each successor knows only what stands in
 * shared memory. Two consumers go on reading all the time.
 *
 * What dies with a producer: its books (state, birth, tag), its locks. What stays: the shared words
 * and all blocks; stores that it had made become visible before the kernel drops its locks.
 *
 * Mutants (must be rejected):
 *   REUSE_AT_ONCE      what the root does not reach is free at once
 *   LIVE_BIRTH_NOW     blocks found live are entered with the current epoch as their birth
 *   LOST_BIRTH_NOW     unreachable blocks are retired with the current epoch as their birth
 *   TAG_LOW            unreachable blocks are retired with a tag one too small
 *   EPOCH_RESET        the clock starts at 1 again
 *   NO_REPAIR          a generation word that lags behind the root is left so
 */
#define NB 5
#define NPIN 2
#define EMAX 3
#define GMAX 3
#include "common.pml"

#define CRASHES 2

byte generation = 1; /* shared */
byte extent = 2;     /* shared: size of the file in blocks; it grows when a block beyond is taken */
bit dying;           /* kill -9 */
bit taken_over = 1;  /* the present producer has finished its takeover */
byte epoch_p;        /* private: the producer's value of `epoch` */

#ifdef LIVE_BIRTH_NOW
#define LIVE_BIRTH epoch_p
#else
#define LIVE_BIRTH 0
#endif
#ifdef LOST_BIRTH_NOW
#define LOST_BIRTH epoch_p
#else
#define LOST_BIRTH 0
#endif
#ifdef TAG_LOW
#define LOST_TAG (epoch_p - 1)
#else
#define LOST_TAG epoch_p
#endif

inline take(block) {
    d_step {
        stamp(block, epoch_p);
        extent = (block >= extent -> block + 1 : extent)
    }
}

inline recover() {
    d_step {
        barred = 0; /* locks of the dead are gone */
#ifdef EPOCH_RESET
        epoch = 1;
#endif
        epoch_p = epoch;
        generation_p = content[root];
        b = 0;
        do
        :: b < NB ->
            if
            :: b >= extent -> free(b) /* never used */
            :: b < extent && (b == root || b == data_of[root]) ->
                state[b] = LIVE; birth[b] = LIVE_BIRTH; tag[b] = 0
            :: b < extent && b != root && b != data_of[root] ->
#ifdef REUSE_AT_ONCE
                free(b)
#else
                state[b] = LIMBO; birth[b] = LOST_BIRTH; tag[b] = LOST_TAG
#endif
            fi;
            b++
        :: else -> break
        od;
        b = 0; new_root = 0; new_data = 0; old_root = 0; old_data = 0; limit = 0; pinned = 0;
        p = 0; conflict = 0
    }
#ifndef NO_REPAIR
    if
    :: generation != generation_p -> generation = generation_p
    :: else
    fi;
#endif
    atomic { assert(generation == content[root]); taken_over = 1 }
}

inline commit() {
    atomic {
        old_root = root;
        old_data = data_of[root];
        d_step { take_block(new_data) }
        if
        :: new_data < NB -> take(new_data)
        :: new_data = old_data
        fi
    };
    atomic {
        d_step { take_block(new_root) }
        if
        :: new_root < NB -> take(new_root)
        :: else ->
            if
            :: new_data != old_data -> d_step { free(new_data) }
            :: else
            fi
        fi
    };
    if
    :: new_root < NB ->
        if
        :: new_data != old_data -> content[new_data] = generation_p + 1
        :: else
        fi;
        d_step {
            generation_p++;
            content[new_root] = generation_p;
            data_of[new_root] = new_data;
            data_content[new_root] = content[new_data]
        };
        root = new_root;
        generation = generation_p;
        d_step {
            retire(old_root, epoch_p);
            if
            :: old_data != new_data -> retire(old_data, epoch_p)
            :: else
            fi
        }
    :: else
    fi;
    d_step { old_root = 0; old_data = 0; new_root = 0; new_data = 0 }
}

#define PINNED(i) (pin[i] && pin[i] <= limit)

inline reclaim() {
    atomic { limit = epoch_p; epoch_p++; epoch = epoch_p };
    d_step { conflict = PINNED(0) || PINNED(1); barred = (conflict -> 0 : limit) };
    if
    :: conflict ->
        p = 1;
        do
        :: d_step { p <= limit ->
                pinned = pinned | ((pin[0] == p || pin[1] == p) -> (1 << p) : 0);
                p++ }
        :: p > limit -> p = 0; break
        od
    :: else -> barred = 0
    fi;
    d_step { free_unpinned(limit, pinned, b); limit = 0; pinned = 0; conflict = 0 }
}

proctype producer() {
    byte new_root, new_data, old_root, old_data, limit, pinned, p, b;
    bit conflict;
    epoch_p = epoch;
alive:
    {
        if
        :: !taken_over -> recover()
        :: else
        fi;
        do
        :: generation_p < GMAX -> commit()
        :: epoch_p < EMAX -> reclaim()
        :: else -> break
        od
    } unless { dying };
    atomic {
        if
        :: dying -> taken_over = 0; dying = 0; goto alive
        :: else
        fi
    }
}

proctype killer() {
    byte kills;
end: do
    :: atomic { kills < CRASHES && !dying -> kills++; dying = 1 }
    od
}

#define INTACT (want != 0 && content[r] == want && content[data_of[r]] == data_content[r])

proctype consumer(byte me; byte views) {
    byte e, r, want;
    do
    :: views == 0 -> break
    :: else ->
lock:
        e = epoch;
        atomic {
            if
            :: barred && e <= barred -> assert(epoch != e); goto lock
            :: else -> pin[me] = e
            fi
        };
        atomic { r = root; want = content[r] };
        atomic {
            if
            :: epoch != e -> pin[me] = 0; r = 0; want = 0; goto lock
            :: else
            fi
        };
        atomic {
            assert(INTACT);
            pin[me] = 0; e = 0; r = 0; want = 0; views--
        }
    od
}

init {
    atomic {
        content[0] = 1; state[0] = LIVE; birth[0] = 1;
        content[1] = 1; state[1] = LIVE; birth[1] = 1;
        data_of[0] = 1; data_content[0] = 1;
        run producer();
        run killer();
        run consumer(0, 1);
        run consumer(1, 1)
    }
}
