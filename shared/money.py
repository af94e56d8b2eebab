"""Money: a decimal string and an ISO 4217 code outside, integer minor units inside, never a float."""

from decimal import Decimal, InvalidOperation

import msgspec
from babel.numbers import get_currency_precision, list_currencies

CURRENCIES: frozenset[str] = frozenset(list_currencies())


class Money(msgspec.Struct, frozen=True):
    """An amount as it travels in HTTP and events, for example `{"value": "1200000", "currency": "JPY"}`.

    Raises `ValueError` (a validation error when decoded by msgspec) when the value is not a plain decimal, has more
    decimals than the currency, or the currency is unknown.
    """

    value: str
    currency: str

    def __post_init__(self) -> None:
        minor_units(self.value, self.currency)

    @property
    def minor(self) -> int:
        """The amount in minor units of its currency (yen, cents)."""
        return minor_units(self.value, self.currency)


def minor_units(value: str, currency: str) -> int:
    """`"12.34"`, `"USD"` -> 1234. Raises ValueError that says what is wrong."""
    if currency not in CURRENCIES:
        raise ValueError(f"{currency!r} is not an ISO 4217 currency code")
    if len(value) > 30 or not value.isascii() or any(c.isspace() or c in "eE_" for c in value):
        raise ValueError(f"{value[:30]!r} is not a plain decimal number")
    try:
        amount = Decimal(value)
    except InvalidOperation as error:
        raise ValueError(f"{value!r} is not a plain decimal number") from error
    if not amount.is_finite():
        raise ValueError(f"{value!r} is not a finite number")
    scaled = amount.scaleb(get_currency_precision(currency))
    if scaled != scaled.to_integral_value():
        raise ValueError(f"{value!r} has more decimals than {currency} has")
    if abs(scaled) >= 10**18:
        raise ValueError(f"{value!r} is too large")
    return int(scaled)


def plain(amount: Money) -> Money:
    """The same amount in its one written form: `+1`, `01`, `1.` and `1.0` are `1`, `.5` is `0.5`, `-0` is `0`.

    What others wrote into an event stays as it is; this is for what we store.
    """
    number = Decimal(amount.value)
    return Money(format(number.normalize(), "f") if number else "0", amount.currency)


def major_units(minor: int, currency: str) -> Decimal:
    """1234, `"USD"` -> Decimal("12.34")."""
    return Decimal(minor).scaleb(-get_currency_precision(currency))


def of_minor(minor: int, currency: str) -> Money:
    """1234, `"USD"` -> Money("12.34", "USD")."""
    return Money(format(major_units(minor, currency), "f"), currency)
