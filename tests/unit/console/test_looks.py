import re
from pathlib import Path

import fake_harness.console
from fake_harness.console.looks import LOOKS
from fake_harness.status import ACTIVE, BROKE, Status

STYLES = Path(fake_harness.console.__file__).parent / "static" / "console.css"


def test_every_status_has_a_look() -> None:
    assert set(LOOKS) == set(Status)


def test_every_tone_has_a_colour_in_light_and_in_dark() -> None:
    styles = STYLES.read_text()
    for tone in {look.tone for look in LOOKS.values()}:
        assert len(re.findall(rf"--{tone}: #", styles)) == 2
        assert f".{tone} {{ --tone" in styles


def test_tone_tells_broken_from_good_and_live() -> None:
    assert {LOOKS[status].tone for status in BROKE} == {"bad"}
    assert not {LOOKS[status].tone for status in ACTIVE} & {"good", "bad"}
