"""What mail needs beside its text: who sends it, how to opt out, headers, a link that opens it. Pure."""

from urllib.parse import quote, urlsplit

from services.outreach.content import Sender
from shared.events import Language

_FOOTER = {
    "ja": {"phone": "電話", "email": "メール", "stop": "配信停止", "or": "または"},
    "en": {"phone": "Phone", "email": "E-mail", "stop": "Unsubscribe", "or": "or"},
}


def sender_values(sender: Sender, language: Language) -> dict[str, str]:
    """What `{{ sender.organisation }}` and the like stand for."""
    found = {
        "organisation": sender.organisation.to(language),
        "department": sender.department and sender.department.to(language),
        "address": sender.address.to(language),
        "phone": sender.phone,
        "email": sender.email,
        "opt_out.url": sender.opt_out.url,
        "opt_out.email": sender.opt_out.email,
    }
    return {f"sender.{name}": value for name, value in found.items() if value}


def footer(sender: Sender, lead_id: str, language: Language) -> str:
    """What stands below promotional mail: the sender's name, postal address and contact, and how to opt out."""
    word = _FOOTER[language]
    space = "" if language == "ja" else " "
    colon = "：" if language == "ja" else ": "
    names = [w.to(language) for w in (sender.organisation, sender.department) if w is not None]
    ways = [way for way in (opt_out_url(sender, lead_id), sender.opt_out.email) if way]
    lines = [
        "-- ",
        (" " if language == "ja" else ", ").join(names),
        sender.address.to(language),
        *([f"{word['phone']}{colon}{sender.phone}"] if sender.phone else []),
        f"{word['email']}{colon}{sender.email}",
        f"{word['stop']}{colon}" + f" {word['or']}{space or ' '}".join(ways),
    ]
    return "\n".join(lines)


def opt_out_url(sender: Sender, lead_id: str) -> str | None:
    """Where the lead opts out. The address names it: a mailbox provider's one click says nothing else."""
    url, own = sender.opt_out.url, quote(lead_id, safe="")
    if url is None or "{lead_id}" in url:
        return url and url.replace("{lead_id}", own)
    return f"{url}{'&' if urlsplit(url).query else '?'}lead_id={own}"


def headers(sender: Sender, lead_id: str) -> dict[str, str]:
    """The headers of promotional mail by which mailbox providers offer to unsubscribe (RFC 2369, RFC 8058)."""
    url = opt_out_url(sender, lead_id)
    mail = f"<mailto:{quote(sender.opt_out.email, safe='@')}?subject=unsubscribe%20{quote(lead_id, safe='')}>"
    if url is None:
        return {"List-Unsubscribe": mail}
    return {"List-Unsubscribe": f"<{url}>, {mail}", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


def mailto(address: str | None, subject: str, body: str) -> str:
    """A link that opens the mail in the user's own mail program (RFC 6068)."""
    lines = quote(body.replace("\n", "\r\n"), safe="")
    return f"mailto:{quote(address or '', safe='@')}?subject={quote(subject, safe='')}&body={lines}"


def one_line(text: str) -> str:
    """A subject: whatever was put in, it is one line, so that nothing in it can begin another header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
