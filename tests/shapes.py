"""Sizes at which kernels change their ways, for every ISA at once.

A tile takes MR rows in lanes against NR columns; MR is 3 (odd), 4 or 8 (baseline), 8 or 16 (avx2,
neon), 32 or 64 (avx512), NR is 4, 5 or 6. Depth beyond KC = 3 or 7 (odd), 1024 (avx512), 4096
(avx2, neon) or 8192 (baseline) is accumulated block by block. Depth up to 12 and, beyond 128, up to
20 columns have kernels of their own; sums and moments go by eight features; 64 columns share a tag;
a kernel call takes 512 rows, a block of the seeding 4096.
"""


def around(*sizes):
    """Return each size, one less and one more, ascending, without zero."""
    return sorted({n + i for n in sizes for i in (-1, 0, 1)} - {0})


ROWS = around(1, 3, 8, 16, 32, 64, 120, 128, 512)
COLUMNS = around(1, 4, 6, 8, 12, 16, 20, 32, 64, 128)
DEPTHS = around(1, 3, 7, 12, 16, 128)
DEEP = around(1024, 4096, 8192)

# (rows, depth, columns): each size once against moderate others, then corners.
TILES = [
    *((n, 17, 13) for n in ROWS),
    *((19, d, 13) for d in DEPTHS + DEEP),
    *((19, 17, k) for k in COLUMNS),
    *((n, d, k) for n in (1, 65) for d in (1, 129) for k in (1, 65)),
]

# The same for assignment: its depth regimes meet row and column edges of their own.
ASSIGNMENTS = [
    *((n, d, k) for n in ROWS for d, k in ((2, 5), (17, 13), (130, 7))),
    *((70, d, k) for d in DEPTHS for k in (3, 21)),
    *((19, d, k) for d in DEEP for k in (3, 21)),
    *((70, d, k) for k in COLUMNS for d in (1, 12, 13, 129)),
]
