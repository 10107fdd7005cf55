/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of a hazard slot: threads take one in a session and end, sessions recycle slots and end, in any
 * order; a hold may be handed to another thread and outlive the one that took it.
 *
 * A slot's owner word: 0 nobody (in the pool), 2n a living thread's in session n, 2n + 1 the thread has
 * ended. Taking from the pool, recycling and the end of a session are critical sections; the end of a
 * thread takes no lock.
 *
 * Checked: while a hold stands, its slot is in the list of its session (so whoever closes a view looks at
 * it), holds what was put there, and no second thread has the slot.
 *
 * Mutants (must be rejected):
 *   SPLIT_END       the ending thread looks whose the slot is, then says that it has no owner
 *   NUMBER_REUSED   a new session gets the number of one that has ended
 *   HELD_FIRST      who recycles looks at the hold, then whether the owner has ended
 *   RECYCLE_HELD    who recycles does not look at the hold
 *   END_HELD        a session ends although something is held
 */
#define NS 2 /* slots */
#define NT 3 /* threads */
#ifndef LIVES
#define LIVES 2 /* sessions, one after the other */
#endif

byte owner[NS];
byte held[NS];       /* who took the hold, from 1; 0: nothing is held */
byte listed[NS];     /* the session that has the slot in its list; 0: the pool */
byte session = 1;    /* life of the session that stands; 0: none */
bit mutex;           /* the session's; the pool's is a single step */

#ifdef NUMBER_REUSED
#define NUMBER(life) 1
#else
#define NUMBER(life) (life)
#endif

/* the slot `s` protects the hold of thread `t` in the session of this life */
#define PROTECTED(s, t, life) (listed[s] == (life) && held[s] == (t))

proctype thread(byte t) {
    byte s, life;
    /* a first snapshot: a slot for this thread */
    atomic {
        if
        :: mutex == 0 && session != 0 ->
            life = session;
            s = 0;
            do
            :: s < NS && listed[s] != 0 -> s++
            :: else -> break
            od;
            if
            :: s == NS -> goto end /* no slot: the hold is counted */
            :: else ->
                assert(owner[s] == 0 && held[s] == 0);
                owner[s] = 2 * NUMBER(life);
                listed[s] = life
            fi
        :: session == 0 && mutex == 0 -> goto end
        fi
    };
    if
    :: skip
    :: /* a snapshot, while the session stands */
        atomic {
            if
            :: session == life && held[s] == 0 -> held[s] = t
            :: else -> goto ending
            fi
        };
        assert(PROTECTED(s, t, life));
        if
        :: held[s] = 0 /* dropped here */
        :: run dropper(s, t, life) /* or moved elsewhere */
        fi
    fi;
ending:
    skip;
#ifdef SPLIT_END
    if
    :: owner[s] == 2 * NUMBER(life) -> owner[s] = owner[s] | 1
    :: else
    fi;
#else
    d_step {
        if
        :: owner[s] == 2 * NUMBER(life) -> owner[s] = owner[s] | 1
        :: else
        fi
    };
#endif
end: skip
}

proctype dropper(byte s, t, life) {
    assert(PROTECTED(s, t, life));
    atomic { assert(PROTECTED(s, t, life)); held[s] = 0 }
}

inline recycle(s) {
    d_step { owner[s] = 0; listed[s] = 0 }
}

#ifdef END_HELD
#define MAY_END true
#else
#define MAY_END ((listed[0] != session || held[0] == 0) && (listed[1] != session || held[1] == 0))
#endif

/* The sessions, one after the other: looks for slots without an owner, ends. */
proctype sessions() {
    byte s, lives = 1, seen;
    do
    :: atomic { session != 0 && mutex == 0 -> mutex = 1; s = 0 };
        do
        :: s < NS && listed[s] == session ->
#if defined(HELD_FIRST)
            seen = held[s];
            if
            :: seen == 0 && (owner[s] & 1) -> recycle(s)
            :: else
            fi;
#elif defined(RECYCLE_HELD)
            if
            :: (owner[s] & 1) -> recycle(s)
            :: else
            fi;
#else
            seen = owner[s];
            if
            :: (seen & 1) && held[s] == 0 -> recycle(s)
            :: else
            fi;
#endif
            s++
        :: s < NS && listed[s] != session -> s++
        :: s == NS -> break
        od;
        atomic { seen = 0; s = 0; mutex = 0 }
    :: atomic { /* the end: nothing is held, and nobody can take any more */
            session != 0 && mutex == 0 && MAY_END -> mutex = 1;
            seen = session;
            session = 0
        };
        do
        :: s < NS ->
            if
            :: listed[s] == seen -> recycle(s)
            :: else
            fi;
            s++
        :: else -> break
        od;
        atomic {
            s = 0; seen = 0; mutex = 0;
            if
            :: lives < LIVES -> lives++; session = lives
            :: else -> break
            fi
        }
    od
}

init {
    atomic {
        run thread(1);
        run thread(2);
        run thread(3);
        run sessions()
    }
}
