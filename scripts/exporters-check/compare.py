"""Compares the arrays of two folders by their names. usage: compare.py EXPECTED GOT; exits 1 where they differ."""

import pathlib
import sys

import numpy

expected, got = map(pathlib.Path, sys.argv[1:])
names = sorted(p.name for p in expected.glob("*.npy"))
assert names, "nothing to compare"
for name in names:
    x, y = numpy.load(expected / name), numpy.load(got / name)
    assert x.shape == y.shape, "%s: shape %s, not %s" % (name, y.shape, x.shape)
    numpy.testing.assert_allclose(y, x, rtol=1e-4, atol=1e-5, err_msg=name)
print("%s: %d arrays agree" % (got.name, len(names)))
