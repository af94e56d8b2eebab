"""The shipped configuration loads; each mistake in it stops the load with file, line and what to do."""

import shutil
from collections.abc import Callable
from datetime import date, time
from pathlib import Path

import pytest

from shared.config import Config, ConfigError, load_config, unread
from shared.config.sales import Company, Sales
from shared.config.sources import PROVIDERS, WITHOUT_SIGNATURE, read_sources
from shared.config.yaml import parse
from shared.periods import OpeningHours

SHIPPED = Path(__file__).parents[2] / "config"
Edit = Callable[[str, str, str], None]


@pytest.fixture(scope="module")
def shipped() -> Config:
    return load_config(SHIPPED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SHIPPED, tmp_path / "config"))


@pytest.fixture
def edit(folder: Path) -> Edit:
    def replace(name: str, old: str, new: str) -> None:
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    return replace


def refused(folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(folder)
    return str(caught.value).removeprefix(f"{folder}/")


def line_of(folder: Path, name: str, text: str) -> int:
    lines = (folder / name).read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if text in line)


def test_the_shipped_configuration_has_what_the_contract_names(shipped: Config) -> None:
    ours = {
        *("what_they_do", "problem", "their_customers", "needs_of_users", "needs_of_evaluators", "needs_of_executives"),
        *("why_they_look", "state_at_first_contact", "appointment_accepted_by", "appointment_state"),
        *("appointment_how_set", "appointment_pressured", "problem_clear"),
    }
    assert {field.id for field in shipped.fields} - ours == {
        *("email", "last_name", "first_name", "company_name", "title", "industry", "phone", "website", "employees"),
        *("budget", "authority", "needs", "timeframe", "website_tags", "usage", "target_tier", "corporate_number"),
    }
    assert {source.id: source.provider for source in shipped.sources.values()} == {
        "website": "html_form",
        "web-json": "json",
    }
    assert [stage.id for stage in shipped.stages] == ["Awareness", "Engaged", "Target", "MQL", "SQL", "Customer"]
    assert len(shipped.team.member_ids) == 8
    routed = {member for route in shipped.policies["default"].routing.values() for member in route.members}
    assert all(member in shipped.team for member in routed)
    assert all(target.member is None or target.member in shipped.team for target in shipped.targets)
    assert shipped.definitions is not None


def test_the_commented_sources_are_an_entry_for_each_provider_and_would_load(shipped: Config) -> None:
    lines = (SHIPPED / "sources.yaml").read_text(encoding="utf-8").splitlines()
    body = lines[lines.index("sources:") :]
    text = "\n".join(f"  {line[4:]}" if line.startswith(("  # - ", "  #   ")) else line for line in body)
    document = type(shipped.kpis)(*_parsed(text))
    sources = read_sources(document, shipped.fields, shipped.campaigns)
    assert {source.provider for source in sources.values()} == set(PROVIDERS)
    assert {rep for source in sources.values() for rep in source.reps.values()} <= set(shipped.team.member_ids)


def _parsed(text: str) -> tuple[object, str, dict[tuple[str | int, ...], int]]:
    data, lines = parse(text, "sources.yaml")
    return data, "sources.yaml", lines


def test_files_that_nobody_reads(folder: Path) -> None:
    assert list(unread(folder)) == []
    (folder / "targets.yaml").rename(folder / "target.yaml")
    (folder / "notes.yml").touch()
    (folder / "policies" / "large.yml").touch()
    assert [(file.name, file.meant) for file in unread(folder)] == [
        ("notes.yml", None),
        ("target.yaml", "targets.yaml"),
        ("policies/large.yml", "policies/large.yaml"),
    ]


def test_files_that_may_be_missing(folder: Path) -> None:
    for name in ("campaigns", "definitions", "targets", "kpis", "webhooks"):
        (folder / f"{name}.yaml").unlink()
    config = load_config(folder)
    assert config.campaigns == {}
    assert config.definitions is None
    assert config.targets == ()
    assert config.webhooks == {}
    assert config.kpis.data is None


@pytest.mark.parametrize("name", ["fields.yaml", "sources.yaml", "team.yaml", "stages.yaml", "policies/default.yaml"])
def test_files_that_may_not_be_missing(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert refused(folder).startswith(f"{name}:1: the file is missing")


@pytest.mark.parametrize("name", ["fields", "sources", "team", "stages", "campaigns", "targets", "webhooks"])
@pytest.mark.parametrize("text", ["", "# all of it is a comment\n"])
def test_a_file_in_which_nothing_stands(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.yaml").write_text(text)
    assert refused(folder).startswith(f"{name}.yaml:1: nothing stands in this file; remove it where it may be missing")


MISTAKES = [
    ("fields.yaml", "type: email", "type: mail", "Invalid enum value 'mail'"),
    ("fields.yaml", "scope: person", "scop: person", "the key `scop` is not known here"),
    ("fields.yaml", "- id: last_name", "- id: email", "the field `email` stands here twice"),
    ("fields.yaml", "precedence: [tool]", "precedence: [tool, tool]", "names a method twice"),
    ("fields.yaml", "precedence: [hearing]", "precedence: [form]", "a confirmation comes from a hearing alone"),
    ("fields.yaml", "choices: [A, B, C]", "format: corporate_number", "`choices` lists"),
    ("sources.yaml", "provider: json", "provider: jsn", "Invalid enum value 'jsn'"),
    ("sources.yaml", "- id: web-json", "- id: website", "the source `website` stands here twice"),
    ("sources.yaml", "会社名: company_name", "会社名: company", "`会社名` is mapped to `company`, which is no field"),
    ("team.yaml", "cut: owner", "cut: team", "Invalid enum value 'team'"),
    ("team.yaml", "cut: owner", "cap: 0.9", ">= 1.0"),
    ("team.yaml", "role: field_sales", "role: fieldsales", "the role `fieldsales`, which is not under `roles`"),
    ("team.yaml", "team: enterprise", "team: big", "the team `big`, which is not under `teams`"),
    ("team.yaml", "{id: yamada", "{id: tanaka", "two entries for the same days"),
    ("team.yaml", "from: 2026-04-01", "from: 2026-04-31", "Invalid RFC3339"),
    ("team.yaml", "from: 2026-04-01", "from: 2026-04-01, to: 2026-03-01", "leaves before coming"),
    ("team.yaml", "{booked_amount: 1.0}", "{opportunities: 1.0}", "must give booked_amount a weight above 0"),
    ("team.yaml", "{booked_amount: 1.0}", "{booked_amount: 0}", "must give booked_amount a weight above 0"),
    ("team.yaml", "{booked_amount: 1.0}", "{booked_amount: -1}", ">= 0"),
    ("team.yaml", "calls: 0}", "calls: 0.1}", "calls is an activity and weighs 0"),
    ("team.yaml", "opportunities: 0.4", "opportunity: 0.4", "there is no KPI `opportunity`"),
    (
        "team.yaml",
        "weights: {booked_amount: 0.6",
        "allow_activity_weights: true\n    weights: {booked_amount: 0.6",
        "reason",
    ),
    *(
        ("team.yaml", "\nroles:\n", f"\n{entry}\nroles:\n", reason)
        for entry, reason in (
            ('business_hours: {from: "9:00", to: "18:00"}', "`9:00` is no time of day; write it as 09:00"),
            ("business_hours: {from: 09:00, to: 24:00}", "`24:00` is no time of day"),
            ("business_hours: {from: 18:00, to: 09:00}", "`to` must come after `from`"),
            ("closed: [12-29]", "Invalid RFC3339"),
            ("closed: [2026-12-29..]", "Invalid RFC3339"),
            ("absent: [{member: sato, from: 2026-12-07}]", "missing required field `to`"),
            ("absent: [{member: nobody, from: 2026-12-07, to: 2026-12-11}]", "there is no member `nobody`"),
            ("absent: [{member: tanaka, from: 2026-12-07, to: 2026-12-11}]", "tanaka is not in field_sales"),
            ("absent: [{member: sato, from: 2026-12-07, to: 2026-12-06}]", "sato is back before leaving"),
            ("absent: [{member: sato, from: 2026-12-07, to: 2026-12-11, why: 病気}]", "the key `why` is not known"),
            ("accounts: [{member: sato}]", "name the companies by"),
            ("accounts: [{member: ito, domains: [acme.co.jp]}]", "ito is not in field_sales"),
            ("accounts: [{member: sato, domains: [www.acme.co.jp]}]", "write it as acme.co.jp"),
            ("accounts: [{member: sato, domains: [gmail.com]}]", "`gmail.com` tells no company"),
            ('accounts: [{member: sato, corporate_numbers: ["7000012050003"]}]', "its check digit does not match"),
            ("accounts: [{member: sato, corporate_numbers: [7000012050002]}]", "put the value in quotes"),
            (
                "accounts: [{member: sato, domains: [a.co.jp]}, {member: suzuki, domains: [a.co.jp]}]",
                "`a.co.jp` belongs to sato already",
            ),
        )
    ),
    ("team.yaml", "team: smb, from: 2026-01-01}", "team: smb, from: 2026-01-01, capacity: 0}", ">= 1"),
    ("policies/default.yaml", "id: default", "id: other", "must have one name"),
    ("policies/default.yaml", "field: needs", "field: need", "there is no field `need`"),
    ("policies/default.yaml", "field: needs, is: confirmed", "field: needs, is: 'yes'", "a confirmation is one of"),
    ("policies/default.yaml", "field: needs, is: confirmed", "field: needs, at_least: 1", "of type confirmation"),
    ("policies/default.yaml", "field: needs, is: confirmed", "event: call", "belong to stages.yaml"),
    ("policies/default.yaml", "between: [1, 2000]", "between: [2000, 1]", "nothing lies between"),
    ("policies/default.yaml", "between: [1, 2000]", "between: [1, 2000], at_least: 1", "exactly one of"),
    ("policies/default.yaml", "at_least: 2001", "at_least: '2001'", "without quotes"),
    ("policies/default.yaml", "require: [needs_confirmed]", "require: [need]", "there is no criterion `need`"),
    ("policies/default.yaml", "ask: [employees]", "ask: [staff]", "there is no field `staff`"),
    ("policies/default.yaml", "  smb: {members", "  small: {members", "there is no segment `small`"),
    ("policies/default.yaml", "method: round_robin", "method: random", "Invalid enum value 'random'"),
    ("policies/default.yaml", "hours: 4", "hours: 0", "Expected `int` >= 1"),
    (
        "policies/default.yaml",
        "method: least_open}",
        "method: least_open, rules: [{when: {field: industri, is: 医療}, members: [sato], method: least_open}]}",
        "there is no field `industri`",
    ),
    ("stages.yaml", "outcome: replied", "outcome: reply", "`reply` is no outcome of a touch"),
    ("stages.yaml", "status: accepted", "outcome: accepted", "a handoff has no outcome"),
    ("stages.yaml", "field: employees", "field: employes", "there is no field `employes`"),
    ("stages.yaml", "- id: MQL", "- id: SQL", "the stage `SQL` stands here twice"),
    ("campaigns.yaml", "to: 2026-04-30", "to: 2026-03-30", "ends before it begins"),
    ("campaigns.yaml", "channel: seminar", "channel: seminer", "Invalid enum value 'seminer'"),
    (
        "campaigns.yaml",
        "en: 'Letters to executives, second half of 2026'",
        "en: Letters, more",
        "put that text in quotes",
    ),
    ("definitions.yaml", "version: 1", "version: 0", ">= 1"),
    ("targets.yaml", "period: 2026-Q4", "period: 2026-Q5", "is no period"),
    ("targets.yaml", "kpi: calls", "kpi: cals", "there is no KPI `cals`"),
    ("targets.yaml", "value: 400}", "value: -1}", "must not be below 0"),
    ("targets.yaml", "value: 400}", "value: 1e400}", "is too large"),
    ("targets.yaml", "member: yamada", "member: tanaka", "stands here twice"),
]


@pytest.mark.parametrize(("name", "old", "new", "reason"), MISTAKES)
def test_a_mistake_stops_the_load_with_file_line_and_reason(
    folder: Path, edit: Edit, name: str, old: str, new: str, reason: str
) -> None:
    edit(name, old, new)
    message = refused(folder)
    assert message.startswith(f"{name}:")
    assert reason in message


def test_the_line_is_that_of_the_mistake(folder: Path, edit: Edit) -> None:
    edit("team.yaml", "calls: 0}", "calls: 0.1}")
    assert refused(folder).startswith(f"team.yaml:{line_of(folder, 'team.yaml', 'calls: 0.1')}: ")
    edit("team.yaml", "calls: 0.1}", "calls: many}")
    message = refused(folder)
    assert message.startswith(f"team.yaml:{line_of(folder, 'team.yaml', 'many')}: ")
    assert "roles.inside_sales.weights.calls" in message
    edit("team.yaml", "{booked_amount: 1.0}", "{booked_amount: -1}")  # a later mistake of another kind
    assert refused(folder) == message


def test_a_signing_provider_needs_a_secret_or_says_that_it_is_unsigned(folder: Path, edit: Edit) -> None:
    entry = "sources:\n  - id: t\n    provider: typeform\n"
    edit("sources.yaml", "sources:\n", entry)
    assert "typeform signs what it sends" in refused(folder)
    edit("sources.yaml", entry, entry + "    unsigned: true\n")
    assert load_config(folder).sources["t"].secrets({}) == ()
    edit("sources.yaml", "    unsigned: true\n", "    unsigned: true\n    secret_env: TASUKI_SECRET_T\n")
    assert "is signed; remove `unsigned`" in refused(folder)
    edit("sources.yaml", "    unsigned: true\n    secret_env: TASUKI_SECRET_T\n", "    previous_secret_env: OLD\n")
    assert "needs `secret_env`" in refused(folder)
    assert "typeform" not in WITHOUT_SIGNATURE


def test_secrets_come_from_the_environment(folder: Path, edit: Edit) -> None:
    new = "sources:\n  - {id: t, provider: typeform, secret_env: NOW, previous_secret_env: BEFORE}\n"
    edit("sources.yaml", "sources:\n", new)
    source = load_config(folder).sources["t"]
    assert source.secrets({"NOW": "n", "BEFORE": "b"}) == ("n", "b")
    assert source.secrets({"NOW": "n"}) == ("n",)
    with pytest.raises(LookupError, match="needs the environment variable NOW"):
        source.secrets({"NOW": "", "BEFORE": "b"})


def test_activity_weights_are_possible_where_somebody_wrote_down_why(folder: Path, edit: Edit) -> None:
    edit("team.yaml", "calls: 0}", "calls: 0.1}\n    allow_activity_weights: true\n    reason: 立ち上げの三か月だけ")
    assert load_config(folder).team.roles["inside_sales"].weights["calls"] == 0.1


def test_team_and_role_of_a_day(folder: Path, edit: Edit) -> None:
    line = "{id: tanaka, name: 田中, role: inside_sales, team: smb, from: 2026-01-01"
    later = "{id: tanaka, name: 田中, role: field_sales, team: enterprise, from: 2026-07-01}"
    edit("team.yaml", line + "}", f"{line}, to: 2026-06-30}}\n  - {later}")
    team = load_config(folder).team
    assert team.team_of("tanaka", date(2025, 12, 31)) == ""
    assert team.team_of("tanaka", date(2026, 6, 30)) == "smb"
    assert (team.team_of("tanaka", date(2026, 7, 1)), team.role_of("tanaka", date(2026, 7, 1))) == (
        "enterprise",
        "field_sales",
    )
    assert team.team_of("nobody", date(2026, 7, 1)) == ""
    assert "tanaka" in team
    assert "nobody" not in team
    assert team.member_ids.count("tanaka") == 1
    assert "tanaka" in team.members_in("inside_sales", date(2026, 6, 30), date(2026, 7, 1))
    assert "tanaka" not in team.members_in("inside_sales", date(2026, 7, 1), date(2026, 7, 31))


def test_how_field_sales_works(folder: Path, edit: Edit, shipped: Config) -> None:
    assert shipped.team.sales == Sales()
    assert shipped.team.sales.opening == OpeningHours(time(9), time(18), frozenset())
    commented = (SHIPPED / "team.yaml").read_text(encoding="utf-8").splitlines()
    begin = next(n for n, line in enumerate(commented) if line.startswith("# business_hours"))
    entries = [line.removeprefix("# ") for line in commented[begin : commented.index("", begin)]]
    edit("team.yaml", "\nroles:\n", "\n" + "\n".join(entries) + "\nroles:\n")
    edit("team.yaml", "role: field_sales, team: smb,", "role: field_sales, team: smb, capacity: 5,")
    team = load_config(folder).team
    closed = frozenset({date(2026, 12, 29), date(2026, 12, 30), date(2026, 12, 31)})
    assert team.sales.opening == OpeningHours(time(9), time(18), closed)
    assert [team.is_away("sato", date(2026, 12, day)) for day in (6, 7, 11, 12)] == [False, True, True, False]
    assert (team.capacity_of("sato", date(2026, 12, 1)), team.capacity_of("suzuki", date(2026, 12, 1))) == (5, None)
    assert team.account_of(Company(domain="acme.co.jp")) == ("suzuki", "domain")


def test_a_file_that_is_no_utf8(folder: Path) -> None:
    (folder / "team.yaml").write_bytes("teams: []\n# 田中\n".encode("cp932"))
    assert refused(folder).startswith("team.yaml:2: this is not UTF-8")


@pytest.mark.parametrize(
    "said", ["origins: [https://www.example.co.jp]", "thanks_url: https://www.example.co.jp/thanks"]
)
def test_only_what_a_browser_posts_has_pages(folder: Path, edit: Edit, said: str) -> None:
    edit(
        "sources.yaml", "  - id: web-json", f"  - {{id: t, provider: tally, unsigned: true, {said}}}\n  - id: web-json"
    )
    line = line_of(folder, "sources.yaml", "id: t,")
    assert refused(folder).startswith(f"sources.yaml:{line}: tally posts from its own servers: remove `{said[:7]}")
    edit("sources.yaml", "provider: tally", "provider: html_form")
    assert "t" in load_config(folder).sources


@pytest.mark.parametrize("origin", ["www.example.co.jp", "https://a.co.jp/", "ftp://a", "**", "https://*.a.jp"])
def test_an_origin_is_no_address(folder: Path, edit: Edit, origin: str) -> None:
    edit("sources.yaml", "    provider: json\n", f"    provider: json\n    origins: ['{origin}']\n")
    line = line_of(folder, "sources.yaml", f"['{origin}']")
    assert refused(folder).startswith(f"sources.yaml:{line}: `{origin}` is no origin")


def test_only_senders_that_wait_for_an_answer_may_be_limited(folder: Path, edit: Edit) -> None:
    edit(
        "sources.yaml",
        "  - id: web-json",
        "  - {id: t, provider: typeform, unsigned: true, rate_limit: 5/s}\n  - id: web-json",
    )
    said = refused(folder)
    assert said.startswith(f"sources.yaml:{line_of(folder, 'sources.yaml', '5/s')}: typeform loses what is answered")
    edit("sources.yaml", "provider: typeform", "provider: json")
    assert load_config(folder).sources["t"].rate_limit == "5/s"
    edit("sources.yaml", "5/s", "5 a second")
    assert "write a number and a time, as in 100/s" in refused(folder)


ALL_SERVICES = sorted(
    str(path.relative_to(SHIPPED)) for path in SHIPPED.rglob("*.yaml") if path.parent.name != "outreach"
)
"""What every service reads; outreach alone reads its folder, see tests/outreach."""


@pytest.mark.parametrize("file", ALL_SERVICES)
def test_no_file_takes_a_key_twice_or_an_alias(folder: Path, file: str) -> None:
    text = (folder / file).read_text(encoding="utf-8")
    for more, reason in (("twice: 1\ntwice: 2\n", "twice"), ("one: &a [x]\ntwo: *a\n", "anchors")):
        (folder / file).write_text(more + text, encoding="utf-8")
        said = refused(folder)
        assert said.startswith(f"{file}:")
        assert reason in said
