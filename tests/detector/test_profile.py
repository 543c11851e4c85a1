"""Profiles: refused with unit and range, written out whole, hashed by what they do."""

from __future__ import annotations

import pytest

from detector.errors import ProfileError
from detector.profile import Profile, load_profile, parse_profile, profile_names


def test_a_value_out_of_range_is_refused_with_its_unit_and_range() -> None:
    with pytest.raises(ProfileError, match=r"metal.mains.frequency_hz = 5.0 .* must be from 45 to 65 Hz"):
        parse_profile("[metal.mains]\nfrequency_hz = 5.0\n", "mine.toml")


def test_an_unknown_key_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ProfileError, match=r"'radar.gane' is not known. Keys there are: .*gain"):
        parse_profile("[radar.gane]\npower = 1\n", "mine.toml")


def test_a_choice_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ProfileError, match=r"radar.background.method = 'svd' .* 'median' or 'subspace'"):
        parse_profile('[radar.background]\nmethod = "svd"\n', "mine.toml")


def test_a_stage_left_out_and_its_default_place_are_written_and_read_again() -> None:
    short = parse_profile('[radar]\nstages = ["time_zero", "background"]\n', "mine.toml")
    assert short.radar.stages == ("time_zero", "background")
    assert parse_profile(short.to_toml(), "again") == short
    assert short.hash != Profile().hash


def test_every_kind_of_head_has_its_profile() -> None:
    kinds = {"handheld-pi", "handheld-cw", "handheld-dual", "vehicle-array", "utility-gpr", "concrete"}
    assert kinds <= set(profile_names())


def test_a_key_in_a_table_leaves_the_default_profiles_other_keys_alone() -> None:
    short = parse_profile("[metal_alarm]\nguard_m = 0.2\n", "mine.toml")
    assert short.metal_alarm == Profile().metal_alarm.model_copy(update={"guard_m": 0.2})
    assert short.metal_alarm.top == 1


def test_a_word_where_a_number_belongs_is_refused() -> None:
    with pytest.raises(ProfileError, match="nominal_speed"):
        parse_profile('nominal_speed_m_per_s = "fast"\n', "mine.toml")


def test_broken_toml_is_refused_with_its_line() -> None:
    with pytest.raises(ProfileError, match="line 1"):
        parse_profile("metal = = 1", "mine.toml")


def test_a_profile_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(ProfileError, match="handheld-dual"):
        load_profile("no-such")


@pytest.mark.parametrize("name", profile_names())
def test_a_shipped_profile_written_out_and_read_again_is_the_same(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    assert parse_profile(profile.to_toml(), "again") == profile


def test_the_hash_follows_the_numbers_not_the_name() -> None:
    a = Profile()
    assert Profile(name="other").hash == a.hash
    assert Profile(nominal_speed_m_per_s=0.6).hash != a.hash
