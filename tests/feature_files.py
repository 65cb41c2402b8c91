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
AUDFORMAT = """\
file,start,end,loud,pitch
db/a.wav,0 days,0 days 00:00:02.500000,1.5,2
db/a.wav,0 days 00:00:02.500000,,3,4
db/b.wav,0.25,1.75,5,6
"""


def check_error(path, *parts: str, options: Options | None = None) -> None:
    """The file is refused in one line that begins with its path and holds the parts."""
    with pytest.raises(InputError) as caught:
        read_table(path, options)
    message = str(caught.value)
    assert "\n" not in message and message.startswith(str(path)), message
    for part in parts:
        assert part in message, message
