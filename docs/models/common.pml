/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the models: blocks, the kernel's lock table, the producer's books.
 *
 * A model defines before including this file:
 *   NB    number of blocks          NPIN  number of lock slots (one read lock each)
 *   EMAX  last epoch (at most 6)    GMAX  last generation
 *   FORGET(block), if freeing a block takes more than is done here
 *
 * What a block holds is one number, the generation that wrote it. Freeing a block sets it to 0 at
 * once: from then on the allocator may reuse it and trim() may punch it out. A root record also names
 * a data block and what that block holds. A reader that finds anything else in a block than what
 * it held when its root was loaded has seen a reused block.
 */
#define FREE  0
#define LIVE  1
#define LIMBO 2

/* ---- shared memory ---- */
byte root;              /* block number of the current root record */
byte epoch = 1;
byte content[NB];       /* generation that wrote the block; 0: reused */
byte data_of[NB];       /* root records: their data block ... */
byte data_content[NB];  /* ... and what it holds */

/* ---- kernel: record locks of the control file ---- */
byte pin[NPIN];         /* epoch whose byte this slot locks for reading; 0: no lock */
byte barred;            /* the producer's exclusive lock covers the bytes of epochs 1..barred; 0: none */

/* ---- producer's private memory ---- */
byte state[NB];
byte birth[NB];         /* epoch in which the block was allocated */
byte tag[NB];           /* epoch in which it was retired */
byte generation_p = 1;  /* last generation written */

/* bits lo..hi of a set of epochs */
#define SPAN(lo, hi) ((2 << (hi)) - (1 << (lo)))

/* Block `to` becomes the lowest free block, NB if there is none. Inside d_step only. */
inline take_block(to) {
    to = 0;
    do
    :: to < NB && state[to] != FREE -> to++
    :: else -> break
    od
}

/* Allocation stamps the birth. Inside d_step only. */
inline stamp(block, now) {
    state[block] = LIVE;
    birth[block] = now
}

/* Inside d_step only. */
inline retire(block, now) {
    state[block] = LIMBO;
    tag[block] = now
}

/* Inside d_step only. */
inline free(block) {
#ifdef FORGET
    FORGET(block); /* what else the model knows of it */
#endif
    state[block] = FREE;
    content[block] = 0;
    data_of[block] = 0;
    data_content[block] = 0;
    birth[block] = 0;
    tag[block] = 0
}

/* Frees each entry tagged at most `limit` whose interval holds no epoch of the set `pinned`. */
inline free_unpinned(limit, pinned, b) {
    d_step {
        b = 0;
        do
        :: b < NB ->
            if
            :: state[b] == LIMBO && tag[b] <= limit && (pinned & SPAN(birth[b], tag[b])) == 0 ->
                free(b)
            :: else
            fi;
            b++
        :: else -> break
        od;
        b = 0
    }
}
