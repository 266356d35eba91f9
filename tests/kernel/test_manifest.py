"""A release's name, and what changed between two."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from plimsoll.kernel.manifest import Manifest, differences

names = st.text("ab.", min_size=1, max_size=3)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 0.5, ""]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=2),
    max_leaves=4,
)
settings = st.dictionaries(names, values, max_size=3)
digests = st.dictionaries(names, st.sampled_from(["a" * 64, "b" * 64]), max_size=3)
manifests = st.builds(
    Manifest, capability=st.sampled_from(["late", "other"]), artifacts=digests, snapshots=digests, settings=settings
)
BASE = Manifest(capability="late", artifacts={"model": "a" * 64}, settings={"seed": 7, "policy": {"alpha": 0.05}})


@given(manifests)
def test_a_manifest_comes_back_from_its_bytes(manifest: Manifest) -> None:
    """With the same name."""
    assert Manifest.from_bytes(manifest.to_bytes()).digest == manifest.digest


@given(manifests, st.randoms(use_true_random=False))
def test_the_name_does_not_depend_on_the_order_of_keys(manifest: Manifest, rng: Any) -> None:
    """Two equal manifests are one release, whoever built them."""

    def shuffled(mapping: dict[str, Any]) -> dict[str, Any]:
        return dict(rng.sample(list(mapping.items()), len(mapping)))

    other = replace(manifest, artifacts=shuffled(manifest.artifacts), settings=shuffled(manifest.settings))
    assert other.digest == manifest.digest and differences(manifest, other) == {}


@given(manifests, manifests)
def test_there_are_differences_exactly_where_the_names_differ(old: Manifest, new: Manifest) -> None:
    """Also for a null against nothing, true against 1, and names with dots."""
    assert (differences(old, new) == {}) == (old.digest == new.digest)


def test_a_difference_is_named_by_its_path() -> None:
    """With what it was and what it is; None is what was not there."""
    new = replace(BASE, artifacts={"model": "b" * 64}, settings={"seed": 7, "policy": {"alpha": 0.1}, "tau": 1})
    assert differences(BASE, new) == {
        "artifacts.model": ("a" * 64, "b" * 64),
        "settings.policy.alpha": (0.05, 0.1),
        "settings.tau": (None, 1),
    }


def test_a_short_name_is_a_prefix() -> None:
    """Every lookup takes it."""
    assert BASE.digest.startswith(BASE.short) and len(BASE.short) == 12
