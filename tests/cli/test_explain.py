"""Every verdict about a release, with its numbers and its evidence."""


def test_explain_shows_each_finding_with_its_numbers(run, home):
    """A gate verdict's findings carry estimate, interval, limit, method, blocks, events and the evidence's id."""
    history = run("explain", "first", "--home", home.path, "--json").document["history"]
    finding = history[0]["verdict"]["findings"][0]
    assert finding["requirement"] == "auc at least 0.6" and finding["ruling"] == "pass"
    assert finding["low"] < finding["estimate"] < finding["high"]
    assert (finding["blocks"], finding["events"], len(finding["evidence"])) == (14, 1400, 64)


def test_explain_takes_a_prefix_of_the_digest(run, home):
    """Any unambiguous prefix names the release."""
    prefix = home.releases["second"][:10]
    assert run("explain", prefix, "--home", home.path, "--json").document["label"] == "second"


def test_explain_draws_the_findings_for_people(run, home):
    """The page has the ruling, the requirement and the sentence of its reason."""
    page = run("explain", "first", "--home", home.path).out
    assert "auc at least 0.6" in page and "holds" in page and "model" in page and "live" in page


def test_explain_of_an_unknown_release_is_wrong_usage(run, home):
    """The error names near labels."""
    ran = run("explain", "firts", "--home", home.path, "--json")
    assert ran.code == 2 and "first" in ran.error["hint"] + ran.error["error"]
