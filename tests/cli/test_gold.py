"""A verdict that rests on gold labels which have changed says so, wherever it is shown."""

from plimsoll.scaffold import sample_plan, write

HEAD = "order_id,ordered_at,channel,price_eur,items,returned"
CASE = "g1,2025-02-01 10:00:00,shop,1.00,1,"


def test_a_changed_gold_label_is_told_by_status_explain_and_replay(run, tmp_path):
    """Of the release that was judged on the older labels; its verdict is still what its evidence gives."""
    folder, home = tmp_path / "orders", ("--home", tmp_path / "home")
    write(sample_plan("orders", "binary"), folder)
    code = (
        (folder / "capability.py")
        .read_text()
        .replace("    gate=[", '    suite=[golden("plain", rows="g.csv")],\n    gate=[')
    )
    (folder / "capability.py").write_text(code.replace("    hour,\n", "    golden,\n    hour,\n"))
    (folder / "g.csv").write_text(f"{HEAD}\n{CASE}0\n")
    assert run("release", folder, *home, "--json").code == 0
    assert "stale" not in run("status", *home).out + run("explain", "v1", *home).out
    (folder / "g.csv").write_text(f"{HEAD}\n{CASE}1\n")
    assert run("release", folder, *home, "--json").code == 1
    said = "1 of 1 labels have changed since"
    status, explained, replayed = (
        run(*command, *home, "--json").document for command in (("status",), ("explain", "v1"), ("replay",))
    )
    assert said in status["capabilities"][0]["stale"][0]["says"] and said in explained["stale"][0]["says"]
    assert [len(one["stale"]) for one in replayed["verdicts"]] == [1, 0] and replayed["same"]
    assert "is stale" in run("replay", *home).out and "is stale" in run("explain", "v1", *home).out.replace("\n", " ")
