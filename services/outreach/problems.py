"""The errors that are this service's own."""

from collections.abc import Iterable

from shared.mistakes import FieldError, pointer
from shared.web import Problem, not_found
from shared.words import Words


def unknown_lead(lead_id: str) -> Problem:
    return not_found(f"No lead {lead_id} is known here (yet); ingest tells of new leads within moments.")


def erased_lead() -> Problem:
    return Problem(410, "lead-erased", "The lead was erased", "Its personal data is gone; what was counted stays.")


def unknown_content(kind: str, content_id: str) -> Problem:
    return not_found(f"There is no {kind.replace('_', ' ')} {content_id}.")


def not_allowed(why: Words) -> Problem:
    return Problem(409, "contact-not-allowed", "The lead may not be contacted", f"{why.ja} {why.en}", reason=why)


def values_missing(missing: Iterable[tuple[str, Words]]) -> Problem:
    listed = list(missing)
    errors = [FieldError(f"/values/{name}", f"{label.ja} / {label.en}: this is needed.") for name, label in listed]
    names = ", ".join(name for name, _ in listed)
    detail = f"The text needs {names}. Tell what is the lead's by a hearing, and the rest in `values`."
    return Problem(
        422, "values-missing", "A required value is missing", detail, errors=errors, missing=[n for n, _ in listed]
    )


def unknown_values(names: Iterable[str], declared: Iterable[str]) -> Problem:
    known = ", ".join(declared) or "none"
    errors = [
        FieldError(pointer("values", name), f"This value is not declared by the template; declared: {known}.")
        for name in names
    ]
    return Problem(422, "invalid", "The request does not have the required form", errors[0].detail, errors=errors)


def too_long() -> Problem:
    return Problem(422, "text-too-long", "The text would be too long", "Shorten what is put in by `values`.")


def no_mail_server() -> Problem:
    detail = (
        "Set TASUKI_SMTP_URL (smtps://user:password@host:465) and start outreach anew; or render the text, and send it"
        " by your own mail program."
    )
    return Problem(409, "smtp-not-configured", "No mail server is set", detail)


def no_mail(template_id: str) -> Problem:
    detail = f"The template {template_id} is for another channel, or has no subject; render it instead."
    return Problem(409, "not-a-mail", "The template is no mail", detail)


def mail_refused(why: str, *, lasting: bool) -> Problem:
    detail = f"Nothing was sent: {why}."
    if lasting:
        return Problem(422, "mail-refused", "The mail server has refused the mail", detail)
    return Problem(503, "mail-server-away", "The mail could not be sent now", detail, headers={"Retry-After": "30"})


def mail_uncertain() -> Problem:
    detail = (
        "The connection or the process was lost while this mail was handed over, so it may have been sent. Look into"
        " the server's log; if it was not, send it by a request with another Idempotency-Key; if it was, tell a touch."
    )
    return Problem(409, "mail-uncertain", "Nobody knows whether the mail was sent", detail)
