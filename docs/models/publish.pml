/* SPDX-License-Identifier: Apache-2.0
 *
 * Publish, pin, reclaim: one producer, two consumers.
 *
 * Memory: the producer's stores to `root` and `epoch` go through a first-in-first-out buffer that drains
 * at any later moment, at the latest before the producer leaves a critical section of the kernel's lock
 * list (releasing a spinlock publishes what came before). Contents of blocks are written at once, the
 * worst case for a reader. Loads of consumers happen in program order (acquire).
 *
 * Kernel: `list_busy` is the spinlock of the lock list. Taking, dropping and testing record locks are
 * critical sections of it.
 *
 * Mutants (must be rejected):
 *   NO_REREAD             the epoch is never read again
 *   NO_REREAD_AFTER_ROOT  read again after locking, not after loading the root
 *   REREAD_AFTER_USE      the root record is believed before the epoch is read again
 *   UNLOCKED_CHECK        emptiness of the list is judged without its spinlock
 *   RETIRE_BEFORE_ROOT    old blocks retired (and perhaps reused) before the new root is stored
 *   TAG_LOW               tag one too small
 *   BIRTH_HIGH            birth one too large
 *   BIRTH_AT_RETIRE       birth taken when the block is retired
 * Variants (must be accepted):
 *   NO_REREAD_AFTER_LOCK  only the second read is made: it alone carries the argument
 *   BIRTH_ZERO            births unknown: each pin blocks everything retired since
 *   BIRTH_ZERO + NO_REREAD_AFTER_ROOT  plain epochs: the read after locking is enough
 */
#ifdef NO_REREAD
#define NO_REREAD_AFTER_LOCK
#define NO_REREAD_AFTER_ROOT
#endif

#define NB 5
#define NPIN 2
#define EMAX 3
#ifndef GMAX
#define GMAX 4
#endif
#include "common.pml"

mtype = { ROOT, EPOCH };
chan buffer = [2] of { mtype, byte };
bit list_busy;
byte epoch_p = 1; /* the producer's own value of `epoch` */

#if defined(BIRTH_ZERO)
#define BIRTH_NOW 0
#elif defined(BIRTH_HIGH)
#define BIRTH_NOW (epoch_p + 1)
#else
#define BIRTH_NOW epoch_p
#endif
#ifdef TAG_LOW
#define TAG_NOW (epoch_p - 1)
#else
#define TAG_NOW epoch_p
#endif

inline forget() {
    old_data = 0; old_root = 0; new_data = 0; new_root = 0
}

inline retire_old() {
    d_step {
#ifdef BIRTH_AT_RETIRE
        birth[old_root] = epoch_p;
        birth[old_data] = epoch_p;
#endif
        retire(old_root, TAG_NOW);
        if
        :: old_data != new_data -> retire(old_data, TAG_NOW)
        :: else
        fi;
        forget()
    }
}

#define PINNED(i) (pin[i] && pin[i] <= limit)

proctype producer() {
    byte new_root, new_data, old_root, old_data, cur_root, limit, pinned, p;
    byte phase; /* 0: no batch, 1: blocks written, 2: published */
    bit conflict;
    do
    /* commit: a new root record, and a new data block or the old one */
    :: atomic { phase == 0 && generation_p < GMAX ->
            old_root = cur_root;
            old_data = data_of[cur_root];
            d_step { take_block(new_data) }
            if
            :: new_data < NB ->
                d_step { stamp(new_data, BIRTH_NOW); content[new_data] = generation_p + 1 }
            :: new_data = old_data
            fi;
            d_step { take_block(new_root) }
            if
            :: new_root < NB ->
                d_step {
                    generation_p++;
                    stamp(new_root, BIRTH_NOW);
                    content[new_root] = generation_p;
                    data_of[new_root] = new_data;
                    data_content[new_root] = content[new_data];
                    cur_root = new_root;
                    phase = 1
                }
            :: else -> /* no room: the batch is given up */
                d_step {
                    if
                    :: new_data != old_data -> free(new_data)
                    :: else
                    fi;
                    forget()
                }
                if
                :: epoch_p == EMAX -> break
                :: else -> goto reclaim
                fi
            fi
        }
#ifdef RETIRE_BEFORE_ROOT
    :: phase == 1 -> retire_old(); phase = 2
    :: atomic { phase == 2 -> buffer!ROOT(cur_root); phase = 0 }
#else
    :: atomic { phase == 1 -> buffer!ROOT(cur_root); phase = 2 }
    :: phase == 2 -> retire_old(); phase = 0
#endif
    /* reclaim, at any moment */
    :: epoch_p < EMAX ->
reclaim:
        atomic { limit = epoch_p; epoch_p++; buffer!EPOCH(epoch_p) }
#ifdef UNLOCKED_CHECK
        conflict = PINNED(0) || PINNED(1);
#else
        /* F_OFD_SETLK F_WRLCK on the bytes of all epochs <= limit: one critical section */
        list_busy = 1;
        atomic { conflict = PINNED(0) || PINNED(1); barred = (conflict -> 0 : limit) }
        atomic { empty(buffer) -> list_busy = 0 }
#endif
        if
        :: conflict ->
            p = 1;
            do /* F_OFD_GETLK, epoch by epoch */
            :: atomic { p <= limit ->
                    pinned = pinned | ((pin[0] == p || pin[1] == p) -> (1 << p) : 0);
                    p++ }
            :: atomic { else -> p = 0; break }
            od
        :: atomic { else -> barred = 0 }
        fi;
        atomic { free_unpinned(limit, pinned, p); limit = 0; pinned = 0; conflict = 0 }
    :: atomic { phase == 0 && generation_p == GMAX && epoch_p == EMAX -> break }
    od
}

proctype drain() {
end: do
    :: atomic { buffer?ROOT(root) }
    :: atomic { buffer?EPOCH(epoch) }
    od
}

/* The two blocks of a view still hold what they held when the root was loaded. No content ever comes
 * back (generations only grow), so one look at the last moment stands for all looks before. */
#define INTACT (want != 0 && content[r] == want && content[data_of[r]] == data_content[r])

proctype consumer(byte me; byte views) {
    byte e, r, want;
take:
    atomic {
        if
        :: views == 0 -> goto leave
        :: else -> views--
        fi;
        if
        :: pin[me] -> goto load /* the pin of the last view is still held: try to share it */
        :: else
        fi
    };
lock:
    e = epoch;
    atomic { list_busy == 0 ->
        if
        :: barred && e <= barred -> /* EAGAIN: the epoch has moved, and that can be seen */
            assert(epoch != e);
            goto lock
        :: else -> pin[me] = e
        fi
    };
#ifndef NO_REREAD_AFTER_LOCK
    atomic {
        if
        :: epoch != e -> goto again
        :: else
        fi
    };
#endif
load:
    atomic { r = root; want = content[r] };
#ifdef REREAD_AFTER_USE
    assert(INTACT);
#endif
#ifndef NO_REREAD_AFTER_ROOT
    atomic {
        if
        :: epoch != e -> goto again
        :: else
        fi
    };
#endif
    atomic { /* the last use of the view */
        list_busy == 0 ->
        assert(INTACT);
        r = 0; want = 0;
        if
        :: pin[me] = 0; e = 0
        :: skip /* the pin stays */
        fi;
        goto take
    };
again:
    atomic { list_busy == 0 -> pin[me] = 0; r = 0; want = 0; goto lock };
leave:
    atomic { list_busy == 0 -> pin[me] = 0; e = 0 }
}

init {
    atomic {
        content[0] = 1; state[0] = LIVE;
        content[1] = 1; state[1] = LIVE;
        data_of[0] = 1; data_content[0] = 1;
#ifndef BIRTH_ZERO
        birth[0] = 1; birth[1] = 1;
#endif
        run drain();
        run producer();
        run consumer(0, 2);
        run consumer(1, 1)
    }
}
