"""Names in the configuration that mean nobody: no mistake that could stop a start, since who goes leaves such names."""

from collections.abc import Iterator

from shared.config import Config
from shared.doctor.finding import Finding, judged


def names_known(config: Config) -> Iterator[Finding]:
    """Whether whoever gets leads, targets or the calls of a tool stands in team.yaml."""
    unknown = dict.fromkeys(f"{name} ({where})" for name, where in _named(config) if name not in config.team)
    yield judged(
        "configuration",
        f"not in team.yaml: {', '.join(unknown)}" if unknown else "all members that are named stand in team.yaml",
        watch=bool(unknown),
        do="correct the name, or add the member: till then a target counts for nobody, and a lead may go to nobody",
    )


def _named(config: Config) -> Iterator[tuple[str, str]]:
    """Each member's id that stands somewhere, and where."""
    for policy in config.policies.values():
        for segment, route in policy.routing.items():
            yield from ((member, f"policies/{policy.id}.yaml, {segment}") for member in route.everybody)
    for target in config.targets:
        if target.member is not None:
            yield target.member, "targets.yaml"
    for source in config.sources.values():
        yield from ((member, f"sources.yaml, {source.id}") for member in source.reps.values())
