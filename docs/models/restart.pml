/* SPDX-License-Identifier: Apache-2.0
 *
 * Restart: the producer dies between any two of its steps, once or twice; each successor knows only what stands in
 * shared memory. Two consumers go on reading all the time.
 *
 * What dies with a producer: its books (state, birth, tag), its locks. What stays: the shared words
 * and all blocks; stores that it had made become visible before the kernel drops its locks. A successor ends
 * the epoch, asks who pins one that is over, and walks the roots that such a reader can have: from the one
 * with which the epoch closed back to the one that was current when it began. All else is free at once.
 *
 * Mutants (must be rejected):
 *   REUSE_AT_ONCE      what the root does not reach is free at once, whoever reads
 *   CLOSING_ROOT_ONLY  only the root with which a pinned epoch closed is walked
 *   FIRST_HOLDER_ONLY  what two pinned epochs reach is held for the first alone
 *   LIVE_BIRTH_NOW     blocks found live are entered with the current epoch as their birth
 *   LOOK_FIRST         the successor asks for pins before it ends the epoch
 *   EPOCH_RESET        the clock starts at 1 again
 *   NO_REPAIR          a generation word that lags behind the root is left so
 */
#define NB 5
#define NPIN 2
#define GMAX 3
#ifndef CRASHES
#define CRASHES 1
#endif
#ifndef RECLAIMS
#define RECLAIMS 2
#endif
#define EMAX (1 + RECLAIMS + CRASHES)
#define FORGET(block) previous[block] = 0; published_in[block] = 0
#include "common.pml"

byte generation = 1;            /* shared */
byte previous[NB];              /* shared; root records: the root before it ... */
byte published_in[NB];          /* ... and the epoch in which it was published */
byte closing[EMAX + 1];         /* shared: the root with which an epoch ended, plus 1; 0: none */
byte reclaims;                  /* so far, of all producers */
bit dying;                      /* kill -9 */
bit taken_over = 1;             /* the present producer has finished its takeover */
byte epoch_p;                   /* private: the producer's value of `epoch` */

#define PINNED(i) (pin[i] && pin[i] <= limit)

/* Who pins an epoch that is over: sets `limit` and `pinned`. */
inline end_epoch() {
    closing[epoch_p] = root + 1;
    atomic { limit = epoch_p; epoch_p++; epoch = epoch_p }
}

inline look() {
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
    conflict = 0;
    d_step {
        p = 1;
        do
        :: p <= limit && !(pinned & (1 << p)) -> closing[p] = 0; p++
        :: p <= limit && (pinned & (1 << p)) -> p++
        :: p > limit -> break
        od;
        p = 0
    }
}

/* Inside d_step only. */
inline hold(block, now) {
    if
    :: state[block] == LIVE
    :: state[block] == LIMBO ->
#ifndef FIRST_HOLDER_ONLY
        tag[block] = now
#endif
    :: else -> state[block] = LIMBO; birth[block] = now; tag[block] = now
    fi
}

#define WHOLE(r) (content[r] != 0 && content[data_of[r]] == data_content[r])

/* What readers that pin epoch p can have. A lock that came too late, and goes again, may be on an epoch
 * whose roots are gone. Inside d_step only. */
inline walk_roots() {
    b = (closing[p] != 0 -> closing[p] - 1 : NB);
    do
    :: b == NB -> break
    :: b < NB && !WHOLE(b) -> break
    :: b < NB && WHOLE(b) ->
        hold(b, p);
        hold(data_of[b], p);
        if
        :: published_in[b] < p || content[b] == 1 -> break
        :: else ->
#ifdef CLOSING_ROOT_ONLY
            break
#else
            b = (content[previous[b]] == content[b] - 1 -> previous[b] : NB)
#endif
        fi
    od
}

#define HAS(p, block) \
    ((pinned & (1 << p)) && closing[p] && content[closing[p] - 1] >= content[block])

/* The oldest pinned epoch whose closing root may have `block`, which is live. Inside d_step only. */
inline live_birth(block) {
    birth[block] = epoch_p;
#ifndef LIVE_BIRTH_NOW
    p = 1;
    do
    :: p <= limit && !HAS(p, block) -> p++
    :: p <= limit && HAS(p, block) -> birth[block] = p; break
    :: p > limit -> break
    od
#endif
}

inline recover() {
    d_step {
        barred = 0; /* locks of the dead are gone */
#ifdef EPOCH_RESET
        epoch = 1;
#endif
        epoch_p = epoch;
        generation_p = content[root];
        b = 0; new_root = 0; new_data = 0; old_root = 0; old_data = 0; limit = 0; pinned = 0;
        p = 0; conflict = 0
    };
#ifdef LOOK_FIRST
    limit = epoch_p;
    look();
    end_epoch();
#else
    end_epoch();
    look();
#endif
    d_step {
        b = 0;
        do
        :: b < NB -> state[b] = (b == root || b == data_of[root] -> LIVE : FREE); b++
        :: else -> break
        od;
#ifndef REUSE_AT_ONCE
        p = 1;
        do
        :: p <= limit && (pinned & (1 << p)) -> walk_roots(); p++
        :: p <= limit && !(pinned & (1 << p)) -> p++
        :: p > limit -> break
        od;
#endif
        live_birth(data_of[root]);
        live_birth(root);
        b = 0;
        do
        :: b < NB && state[b] == FREE -> free(b); b++
        :: b < NB && state[b] != FREE -> b++
        :: b >= NB -> break
        od;
        b = 0; limit = 0; pinned = 0; p = 0
    };
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
        :: new_data < NB -> d_step { stamp(new_data, epoch_p) }
        :: new_data = old_data
        fi
    };
    atomic {
        d_step { take_block(new_root) }
        if
        :: new_root < NB -> d_step { stamp(new_root, epoch_p) }
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
            previous[new_root] = old_root;
            published_in[new_root] = epoch_p;
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

inline reclaim() {
    end_epoch();
    look();
    d_step { free_unpinned(limit, pinned, b); limit = 0; pinned = 0 }
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
        :: reclaims < RECLAIMS -> reclaims++; reclaim()
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
        data_of[0] = 1; data_content[0] = 1; published_in[0] = 1;
        run producer();
        run killer();
        run consumer(0, 1);
        run consumer(1, 1)
    }
}
