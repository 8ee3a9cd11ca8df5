"""What phones ask for, as the storm and the measurement in one process ask it."""

from collections.abc import Sequence

AUDIOCODES = "AUDC/3.4.6.604 AUDC-IPPhone-C450HD_UC_3.4.6.604/1"
YEALINK = "Yealink SIP-T46S 66.86.0.15 %s"
GRANDSTREAM = "Grandstream Model HW GXP2135 SW 1.0.7.97 DevId %s"
GRANDSTREAM_LOADER = "Grandstream Model HW GXP2135 SW 1.0.7.97"
POLY = "FileTransport PolycomVVX-VVX_411-UA/5.9.0.9373 (SN:%s) Type/Application"
POLY_UPDATER = "FileTransport PolycomVVX-VVX_411-UA/5.9.0.9373 Type/Updater"

Asked = Sequence[tuple[str, str]]
"""Path and User-Agent of each request, one after the other, with the phone's MAC at ``%s``."""

YEALINKS: Asked = [
    ("/y000000000108.boot", YEALINK),
    ("/%s.boot", YEALINK),
    ("/y000000000108.cfg", YEALINK),
    ("/%s.cfg", YEALINK),
]
POLYCOMS: Asked = [
    ("/3111-48450-001.sip.ld", POLY_UPDATER),
    ("/%s.cfg", POLY),
    ("/000000000000.cfg", POLY),
    ("/%s-phone.cfg", POLY),
    ("/%s-web.cfg", POLY),
    ("/%s-license.cfg", POLY),
]
GRANDSTREAMS: Asked = [
    ("/cfg%s", GRANDSTREAM),
    ("/cfg%s.xml", GRANDSTREAM),
    ("/cfggxp2135.xml", GRANDSTREAM),
    ("/cfg.xml", GRANDSTREAM),
    ("/gxp2135fw.bin", GRANDSTREAM_LOADER),
]
SHAPES: dict[str, Asked] = {
    "bare": [("/%s", AUDIOCODES)],
    # With the headers of the phones that ask for files, so that nothing but the path differs from these.
    "alike": [("/%s", GRANDSTREAM), ("/%s", YEALINK), ("/%s", POLY)],
    "file": [("/cfg%s.xml", GRANDSTREAM), ("/%s.boot", YEALINK), ("/%s-phone.cfg", POLY)],
    "common": [("/cfg.xml", GRANDSTREAM), ("/y000000000108.boot", YEALINK), ("/000000000000.cfg", POLY)],
    "yealink": YEALINKS,
    "polycom": POLYCOMS,
    "grandstream": GRANDSTREAMS,
    "mixed": [*YEALINKS, *POLYCOMS, *GRANDSTREAMS],
    "nobody": [
        ("/y000000000108.cfg", "curl/8.5.0"),
        ("/3111-48450-001.sip.ld", POLY_UPDATER),
        ("/gxp2135fw.bin", GRANDSTREAM_LOADER),
    ],
}
"""What is asked, by the names of TITLES."""

TITLES = {
    "bare": "bare MAC",
    "alike": "bare MAC, with the User-Agents of three makers",
    "file": "file with a MAC",
    "common": "file of a whole model",
    "yealink": "Yealink's files in their order",
    "polycom": "Polycom's files in their order",
    "grandstream": "Grandstream's files in their order",
    "mixed": "files of all three",
    "nobody": "file of no phone",
}
