"""From the names of a sender to the names of our fields. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from services.ingest.items import Unmapped
from services.ingest.observations import is_blank
from shared.fields import FieldRegistry

OWN_NAMES = ("external_id", "observed_at", "campaign")
"""What a sender may say of the submission itself, under these names."""

MAX_UNMAPPED = 500


class Mapped(msgspec.Struct, frozen=True):
    """One submission in our names: raw values of fields, and what the submission says of itself."""

    fields: dict[str, Any]
    own: dict[str, Any]
    unmapped: list[Unmapped]


def map_names(
    entry: Mapping[str, Any],
    names: Mapping[str, str],
    registry: FieldRegistry,
    also: Mapping[str, Sequence[str]] = {},
) -> Mapped:
    """`names`: the sender's name, or a dotted path into its object, -> our field (or `external_id`). `also`: further
    names of a name.

    A name that is one of our field ids already needs no entry; a further name that is one comes last. Of several names
    of one field the first that is not blank counts, and so of several values of a name, but what was chosen of several
    options is one text. What is left is kept as unmapped.
    """
    result = Mapped({}, {}, [])
    ours = {name: target for name in also if (target := _first(also[name], names)) is not None} | dict(names)
    left: list[tuple[str, Any]] = []
    for name, value in _flat(entry, ours):
        if name in ours:
            _put(result, ours[name], name, value, registry)
        else:
            left.append((name, value))
    guessed: list[tuple[str, str, Any]] = []
    for name, value in left:
        guess = next((further for further in also.get(name, ()) if further in registry), None)
        if name in registry or name in OWN_NAMES:
            _put(result, name, name, value, registry)
        elif guess is not None:
            guessed.append((guess, name, value))
        elif not is_blank(value) and len(result.unmapped) < MAX_UNMAPPED:
            result.unmapped.append(Unmapped(name, value))
    for guess, name, value in guessed:
        _put(result, guess, name, value, registry)
    return result


def _first(further: Sequence[str], names: Mapping[str, str]) -> str | None:
    """What the first of these names that has a meaning means."""
    return next((names[name] for name in further if name in names), None)


def _put(result: Mapped, target: str, name: str, value: Any, registry: FieldRegistry) -> None:
    said = [one for one in (value if isinstance(value, list) else [value]) if not is_blank(one)]
    if not said:
        return
    into = result.own if target in OWN_NAMES else result.fields
    if target in into:
        result.unmapped.append(Unmapped(name, value, f"another name gave {target} already"))
        return
    field = registry.get(target) if target in registry else None
    if field is not None and field.type == "list":
        into[target] = said
    elif field is not None and field.type == "text" and field.format is None and all(isinstance(s, str) for s in said):
        into[target] = ", ".join(said)
    else:
        into[target] = said[0]
        if said[1:]:
            result.unmapped.append(Unmapped(name, said[1:], f"another value gave {target} already"))


def _flat(entry: Mapping[str, Any], names: Mapping[str, str], path: str = "") -> Iterator[tuple[str, Any]]:
    """Values by dotted path; an object that is itself named in the mapping stays whole (an amount of money)."""
    for key, value in entry.items():
        name = f"{path}{key}"
        if isinstance(value, dict) and value and name not in names:
            if "value" in value and "currency" in value:
                yield name, value
            else:
                yield from _flat(value, names, f"{name}.")
        else:
            yield name, value
