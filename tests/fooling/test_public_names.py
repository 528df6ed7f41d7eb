"""The names of the package are there, and cost nothing until they are used."""

import subprocess
import sys

import fooling


def test_importing_the_package_loads_no_torch():
    code = "import sys, fooling; dir(fooling); assert not {'torch', 'numpy', 'accelerate'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_public_name_is_there():
    assert set(dir(fooling)) == set(fooling.__all__)
    for name in fooling.__all__:
        assert getattr(fooling, name).__module__.startswith("fooling."), name


def test_an_unknown_name_is_an_attribute_error():
    assert not hasattr(fooling, "Nothing")
