"""What a verb inherits from the shell that it is typed in, cleaned before anything reads it.

`clean` changes os.environ, so the programs that a verb starts inherit the clean one.
"""

from __future__ import annotations

import locale
import os

LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
# They belong to another project: this one's compose settings are in docker-compose.yml and .env.
_OF_A_PROJECT = (
    "COMPOSE_FILE",
    "COMPOSE_PATH_SEPARATOR",
    "COMPOSE_PROJECT_NAME",
    "COMPOSE_PROFILES",
    "COMPOSE_ENV_FILES",
    "COMPOSE_DISABLE_ENV_FILE",
)
_UTF_8 = ("C.UTF-8", "en_US.UTF-8", "C.utf8", "en_US.utf8")


def clean() -> None:
    """Change the environment of this process and of the programs that it starts."""
    for name in _OF_A_PROJECT:
        os.environ.pop(name, None)
    for name, value in list(os.environ.items()):
        if name.startswith("TF_VAR_"):
            os.environ[name] = value.strip()
    _reach_this_machine_directly()
    _take_a_locale_that_exists()


def _reach_this_machine_directly() -> None:
    """A proxy is for what is elsewhere: it would look for 127.0.0.1 on its own machine."""
    given = {name.lower() for name, value in os.environ.items() if value}
    if given.isdisjoint(_PROXIES):
        return
    # Programs read either spelling, and some prefer the one, some the other.
    listed = f"{os.environ.get('no_proxy', '')},{os.environ.get('NO_PROXY', '')}".split(",")
    names = dict.fromkeys([*(name.strip() for name in listed if name.strip()), *LOOPBACK])
    os.environ["no_proxy"] = os.environ["NO_PROXY"] = "*" if "*" in names else ",".join(names)


def _take_a_locale_that_exists() -> None:
    """Ansible ends at once without a UTF-8 locale that this machine has."""
    if is_utf_8():
        return
    before = os.environ.get("LC_ALL")
    for name in _UTF_8:
        os.environ["LC_ALL"] = name
        if is_utf_8():
            return
    # None: Ansible says what is missing.
    os.environ.pop("LC_ALL")
    if before is not None:
        os.environ["LC_ALL"] = before


def is_utf_8() -> bool:
    """Whether the environment's locale exists, all of its parts, and is UTF-8."""
    own = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "")
        return locale.nl_langinfo(locale.CODESET).upper() == "UTF-8"
    except locale.Error:
        return False
    finally:
        locale.setlocale(locale.LC_ALL, own)
