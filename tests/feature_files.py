"""Small feature files, and the errors of their readers."""

from __future__ import annotations

import pytest

from aegan.errors import InputError
from aegan.tables.read import read_table
from aegan.tables.roles import Options

SMILE = """\
name;frameTime;loud_max;mfcc_sma[0]_mean;iqr1-2
'a.wav';0.000000;111;5.898961e-01;-2.262464e-05
'b.wav';0.000000;3;1e-1;0
"""
ARFF = """\
@relation openSMILE_features

@attribute name string
@attribute loud_max numeric
@attribute mfcc_sma[0]_mean numeric
@attribute emotion unknown

@data

'a.wav',1.110000e+02,5.898961e-01,?
'b.wav',3.000000e+00,1.000000e-01,?
"""


def error_of(path, options: Options | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_table(path, options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def check_error(path, *parts: str, options: Options | None = None) -> None:
    message = error_of(path, options)
    assert message.startswith(str(path))
    for part in parts:
        assert part in message, message
