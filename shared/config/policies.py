"""policies/*.yaml: one policy a file, named as the file. `default` has to be there."""

from pathlib import Path

from shared.config.document import Document, read
from shared.fields import FieldRegistry
from shared.policy import Policy, check_policy

DEFAULT = "default"


def read_policies(folder: Path, registry: FieldRegistry) -> dict[str, Policy]:
    """The policies by id, `default` first. Raises ConfigError."""
    names = {DEFAULT: None} | {path.stem: None for path in sorted((folder / "policies").glob("*.yaml"))}
    return {name: read_policy(read(folder, f"policies/{name}.yaml"), name, registry) for name in names}


def read_policy(document: Document, name: str, registry: FieldRegistry) -> Policy:
    """Raises ConfigError."""
    policy = document.convert(Policy)
    if policy.id != name:
        raise document.error(("id",), f"the policy `{policy.id}` stands in {name}.yaml; the two must have one name")
    document.refuse(check_policy(policy, registry))
    return policy


def read_draft(path: Path, registry: FieldRegistry) -> Policy:
    """A policy that is to be tried, from a file of any name. Raises ConfigError."""
    document = read(path.parent, path.name)
    policy = document.convert(Policy)
    document.refuse(check_policy(policy, registry))
    return policy
