// Test only: one lane, MR = 3, NR = 5, blocks of odd sizes, to shake out layout assumptions.
#pragma once
#define COTERIE_ISA odd
#define COTERIE_VECTOR_BYTES 0
#define COTERIE_NV 3
#define COTERIE_NR 5
#define COTERIE_RR 2
#define COTERIE_RC 3
#define COTERIE_PANEL_BYTES 84
#define COTERIE_L1_BYTES 60
