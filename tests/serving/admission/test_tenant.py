"""A tenant cannot be forged: it comes from a verified credential, or not at all."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import msgspec
import pytest

from plimsoll.serving.admission import Tenant

from .conftest import House, bearer


@pytest.fixture
def tenant(house: House) -> Tenant:
    issued = house.issue("shop")
    return house.admission().admit(bearer(issued), "late").scope


@pytest.mark.parametrize(
    "forge",
    [
        lambda real: Tenant("shop", None),
        lambda real: Tenant("shop", object()),
        lambda real: msgspec.convert("shop", Tenant),
        lambda real: msgspec.convert({"name": "shop"}, Tenant),
        lambda real: pickle.loads(pickle.dumps(real)),
        lambda real: copy.copy(real),
        lambda real: copy.deepcopy(real),
        lambda real: type("Mine", (Tenant,), {}),
        lambda real: setattr(real, "name", "other"),
        lambda real: delattr(real, "name"),
    ],
)
def test_there_is_no_way_to_make_one(tenant: Tenant, forge: Any) -> None:
    """Not by name, not by a decoder, not by copying or changing a real one, not by a kind of one's own."""
    with pytest.raises((TypeError, AttributeError, msgspec.ValidationError)):
        forge(tenant)
    assert tenant.name == "shop"


def test_tenants_are_equal_by_name_and_equal_to_nothing_else(house: House, tenant: Tenant) -> None:
    """A text with the same letters is no tenant."""
    issued = house.issue("shop")
    again = house.admission().admit(bearer(issued), "late").scope
    assert tenant == again and hash(tenant) == hash(again)
    assert tenant != "shop" and {tenant: 1}.get("shop") is None  # type: ignore[call-overload]
