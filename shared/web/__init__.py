"""The web kit: a service declares a table of endpoints, and gets routes, checks, errors and documentation from it."""

from shared.mistakes import FieldError
from shared.web.app import create_app
from shared.web.auth import Access
from shared.web.bodies import convert, parse_json
from shared.web.endpoint import Answer, Call, Caller, Endpoint
from shared.web.health import Check
from shared.web.keys import create_key, ensure_admin_key, list_keys, new_key, revoke_key, rotate_key
from shared.web.problems import Problem, invalid, not_found
from shared.web.query import Limit, Number, Paging, page, read_cursor
from shared.web.scopes import SCOPES

__all__ = [
    "SCOPES",
    "Access",
    "Answer",
    "Call",
    "Caller",
    "Check",
    "Endpoint",
    "FieldError",
    "Limit",
    "Number",
    "Paging",
    "Problem",
    "convert",
    "create_app",
    "create_key",
    "ensure_admin_key",
    "invalid",
    "list_keys",
    "new_key",
    "not_found",
    "page",
    "parse_json",
    "read_cursor",
    "revoke_key",
    "rotate_key",
]
