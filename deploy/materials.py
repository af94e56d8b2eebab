"""The bill of materials of an installation (CycloneDX 1.6, JSON): `python -m deploy.materials [FILE]`.

It lists what requirements.lock names for this machine, as it is installed here: version, licence, hashes of the files
that may be installed, and who needs whom; and the scripts of others that the console serves. A package under a licence
that we do not ship with ends it, exit status 1.
"""

import hashlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution, distribution, version
from pathlib import Path
from typing import NamedTuple

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseAcknowledgement, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from license_expression import ExpressionError, LicenseSymbol, get_spdx_licensing
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
SHIPPED_WITH = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0"}
    | {"MPL-2.0", "PostgreSQL", "PSF-2.0", "Unlicense", "Zlib"}
)
"""Licences of what may be in an installation; an expression that these satisfy will do."""

_CLASSIFIERS = {
    "License :: OSI Approved :: Apache Software License": "Apache-2.0",
    "License :: OSI Approved :: BSD License": "BSD-3-Clause",
    "License :: OSI Approved :: ISC License (ISCL)": "ISC",
    "License :: OSI Approved :: MIT License": "MIT",
    "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "License :: OSI Approved :: Python Software Foundation License": "PSF-2.0",
    "License :: OSI Approved :: The Unlicense (Unlicense)": "Unlicense",
}
SCRIPTS = ROOT / "services/console/static/vendor"
_SCRIPTS = {"htmx": ("htmx.org", "0BSD"), "uPlot": ("uplot", "MIT")}
"""File name -> package of npm and its licence, which lies beside it."""
_spdx = get_spdx_licensing()


class MaterialsError(Exception):
    """The bill cannot be made, or must not be: a package is missing, or under a licence that we do not ship with."""


class Pin(NamedTuple):
    """A line of a lock file."""

    name: str
    version: str
    sha256: tuple[str, ...]


def pins(lock: str) -> Iterator[Pin]:
    """What a lock file names for this machine and Python."""
    for entry in lock.replace("\\\n", "").splitlines():
        if not entry.strip() or entry.lstrip().startswith("#"):
            continue
        requirement = Requirement(entry.partition("--hash")[0])
        if requirement.marker is None or requirement.marker.evaluate():
            (pinned,) = requirement.specifier
            yield Pin(
                canonicalize_name(requirement.name),
                pinned.version,
                tuple(sorted(re.findall(r"--hash=sha256:(\w+)", entry))),
            )


def licence_of(name: str, *said: str | None) -> str:
    """The first of what a package says of its licence that is an SPDX expression.

    Raises MaterialsError where there is none, or we do not ship with it.
    """
    for expression in filter(None, said):
        try:
            parsed = _spdx.parse(expression, validate=True)
        except ExpressionError:  # words, or a whole text
            continue
        if not _allowed(parsed):
            raise MaterialsError(f"{name} is under {expression}: we do not ship with that")
        return expression
    raise MaterialsError(f"{name} does not say under which licence it is")


def _declared(package: Distribution) -> str:
    told = package.metadata
    classified = {_CLASSIFIERS[c] for c in told.get_all("Classifier") or [] if c in _CLASSIFIERS}
    written = [*(told.get_all("License-Expression") or []), *(told.get_all("License") or [])]
    return licence_of(told["Name"], *written, " AND ".join(sorted(classified)))


def _allowed(expression: object) -> bool:
    if isinstance(expression, LicenseSymbol):
        return expression.key in SHIPPED_WITH
    one_is_enough = type(expression).__name__ == "OR"
    judged = [_allowed(part) for part in getattr(expression, "args", ())]
    return any(judged) if one_is_enough else bool(judged) and all(judged)


def bill(lock: str) -> Bom:
    """Raises MaterialsError."""
    wanted = {pin.name: pin for pin in pins(lock)}
    components = {name: _component(pin) for name, pin in wanted.items()}
    scripts = [_script(path) for path in sorted(SCRIPTS.glob("*.js"))]
    made = Bom(components=[*components.values(), *scripts])
    ours = Component(name="tasuki", version=version("tasuki"), type=ComponentType.APPLICATION, bom_ref="tasuki")
    made.metadata.component = ours
    made.register_dependency(ours, [*_needed("tasuki", components), *scripts])
    for name, component in components.items():
        made.register_dependency(component, _needed(name, components))
    return made


def _component(pin: Pin) -> Component:
    found = _installed(pin.name)
    if found.version != pin.version:
        raise MaterialsError(f"{pin.name} {found.version} is installed, not {pin.version}: run `make` again")
    return _library(PackageURL("pypi", name=pin.name, version=pin.version), _declared(found), pin.sha256)


def _script(path: Path) -> Component:
    name, _, rest = path.name.partition("-")
    if name not in _SCRIPTS:
        raise MaterialsError(f"{path.name} is not ours, and not among the scripts that are known here")
    package, licence = _SCRIPTS[name]
    purl = PackageURL("npm", name=package, version=rest.removesuffix(".min.js"))
    return _library(purl, licence_of(name, licence), [hashlib.sha256(path.read_bytes()).hexdigest()])


def _library(purl: PackageURL, licence: str, sha256: Iterable[str]) -> Component:
    return Component(
        name=purl.name,
        version=purl.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=str(purl),
        licenses=[LicenseExpression(licence, acknowledgement=LicenseAcknowledgement.DECLARED)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in sha256],
    )


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except ModuleNotFoundError as error:
        raise MaterialsError(f"{name} is not installed: run `make` again") from error


def _needed(name: str, components: Mapping[str, Component]) -> list[Component]:
    """Whom a package asks for, of those that are here; extras are whoever the lock has."""
    names = {canonicalize_name(Requirement(line).name) for line in _installed(name).requires or []}
    return [components[needed] for needed in sorted(names & components.keys())]


def main(arguments: list[str]) -> int:
    """Exit status 1 where there is no bill, which is said."""
    try:
        made = bill((ROOT / "requirements.lock").read_text())
    except MaterialsError as error:
        print(f"materials: {error}", file=sys.stderr)
        return 1
    text = JsonV1Dot6(made).output_as_string(indent=2)
    if arguments:
        path = Path(arguments[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
        print(f"materials: {len(made.components)} packages, all under licences that we ship with: {path}")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
