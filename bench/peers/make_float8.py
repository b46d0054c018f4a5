"""Golden values of the 8-bit floats for test/formats/float8.test.ts, by the package ml_dtypes.

    pip install ml_dtypes numpy && python bench/peers/make_float8.py > test/fixtures/formats/float8.json

For each type: the float32 bits of all 256 patterns; and for a list of float32 bits (all patterns, the middles between neighbours, one
float32 beside each, and seeded random ones) the pattern that each is rounded to.
"""

import json

import ml_dtypes
import numpy as np


def golden(dtype):
    patterns = np.arange(256, dtype=np.uint8)
    values = patterns.view(dtype).astype(np.float32)
    finite = np.unique(values[np.isfinite(values)])
    middles = ((finite[1:].astype(np.float64) + finite[:-1]) / 2).astype(np.float32)
    edge = np.concatenate([finite, middles, np.float32([448, 464, 480, 57344, 61440, 65536])])
    beside = np.concatenate([np.nextafter(edge, np.float32(-np.inf)), np.nextafter(edge, np.float32(np.inf))])
    random = np.random.default_rng(8).normal(size=400).astype(np.float32) * np.float32(2.0) ** np.random.default_rng(9).integers(-18, 18, 400).astype(np.float32)
    given = np.concatenate([edge, beside, random, np.float32([np.inf, -np.inf, 0.0, -0.0, 1e-40, 3e38])]).astype(np.float32)
    with np.errstate(all="ignore"):
        encoded = given.astype(dtype).view(np.uint8)
    return {
        "decoded": values.view(np.uint32).tolist(),
        "given": given.view(np.uint32).tolist(),
        "encoded": encoded.tolist(),
    }


print(
    json.dumps(
        {
            "versions": {"ml_dtypes": ml_dtypes.__version__, "numpy": np.__version__},
            "F8_E4M3": golden(ml_dtypes.float8_e4m3fn),
            "F8_E5M2": golden(ml_dtypes.float8_e5m2),
        },
        separators=(",", ":"),
    )
)
