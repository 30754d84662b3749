"""The forms of a result: pages, lists, Arrow, links, pictures."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from urllib.parse import urljoin

import pyarrow.ipc
import xarray as xr

from asking import Client
from check_groupby import compare_values, strict
from common import Report
from oracle import Case, expected

CASES = [Case("daily_noleap", "tas", "time.month", "mean"), Case("daily_noleap", "sst", "time.season", "count"), Case("types_noleap", "soil", "zone", "sum"), Case("types_noleap", "step", "time.is_leap_year", "any"),
         Case("daily_360_day", "pr", "time", "mean", {"freq": "QS-DEC"})]


def check(client: Client, fields: Path, report: Report) -> None:
    """All of it."""
    for case in CASES:
        want = expected(xr.open_dataset(fields / f"{case.dataset}.nc").load(), case)

        def arrow(case=case, want=want) -> str | None:
            got = client.get(case.path + "?f=arrow")
            if got.status_code != 200 or got.headers["Content-Type"].split(";")[0] != "application/vnd.apache.arrow.stream":
                return f"status {got.status_code} {got.headers['Content-Type']}"
            table = pyarrow.ipc.open_stream(io.BytesIO(got.content)).read_all()
            if table.column_names != [*want.dims, case.var] or table.num_rows != want.size:
                return f"columns {table.column_names}, {table.num_rows} rows of {want.size}"
            values = table[case.var].to_numpy(zero_copy_only=False)
            return compare_values(want.values, values.astype(want.dtype).reshape(want.shape), case.action, 300.0, False)

        report.claim("arrow", case.path.removeprefix("/datasets/"), arrow)
    path = CASES[0].path

    def page() -> str | None:
        got = client.get(path, headers={"Accept": "text/html"})
        text = got.text
        missing = [w for w in ("tas", "month", "air_temperature", "open_dataset", "f=nc", "f=csv", "/zarr") if w not in text]
        loads = re.findall(r"""<script[^>]+src=["']?(https?://[^"'>]+)|@import|url\(https?:""", text)
        return f"missing {missing}, foreign {loads}" if missing or loads or got.status_code != 200 else None

    def links() -> str | None:
        """Everything that the page of a result names is there."""
        got = client.get(path, headers={"Accept": "text/html"})
        found = {urljoin(got.url, ref.replace("&amp;", "&")) for ref in re.findall(r"""(?:href|src)=["']([^"'#]+)["']""", got.text)}
        found = {u for u in found if u.startswith(client.base) and not u.endswith("/zarr")}
        bad = {u: s for u in sorted(found) if (s := client.session.get(u, timeout=60).status_code) not in (200, 202)}
        return f"{bad}" if bad or not found else None

    def hostile() -> str | None:
        answers = [client.get(p, headers={"Accept": "text/html"}) for p in ("/datasets/daily_noleap/groupby/%3Cscript%3Ealert(1)%3C/time.month/mean", path + "?colour=%3Cscript%3Ealert(1)", path + "/lat=%3Cscript%3Ealert(1)")]
        # In JSON markup is text: only a page must escape it.
        return "markup is not escaped" if any("<script>alert(1)" in a.text for a in answers if "json" not in a.headers["Content-Type"]) else None

    def lists() -> str | None:
        body = client.get("/datasets/types_noleap/groupby", headers={"Accept": "application/json"})
        if body.status_code != 200:
            return f"status {body.status_code}"
        text = json.dumps(body.json())
        missing = [w for w in ("t2m", "prof", "time", "zone", "month", "quantile") if w not in text]
        return f"{missing} are not in {text[:200]}" if missing else None

    def canonical() -> str | None:
        """The canonical link gives the same bytes and leads nowhere else."""
        got = client.get("/datasets/daily_noleap/groupby/tas/time.month/quantile?skipna=1&q=0.50&f=json&lat=-30:30")
        found = re.search(r'<([^>]+)>;\s*rel="?canonical', got.headers.get("Link", ""))
        if not found:
            return f"status {got.status_code}, Link {got.headers.get('Link')!r}"
        again = client.get(urljoin(got.url, found[1]).removeprefix(client.base) + "?f=json")
        if again.content != got.content or again.headers["ETag"] != got.headers["ETag"]:
            return "other bytes or tags"
        return "a default is written" if "skipna" in found[1] else None

    def tags() -> str | None:
        """Each form and each result has a tag of its own."""
        found = [client.get(p + f"?f={form}").headers["ETag"] for p in (path, CASES[1].path) for form in ("json", "csv", "nc", "html")]
        return None if len(set(found)) == len(found) else f"{found}"

    def compressed() -> str | None:
        plain = client.get(path + "?f=json", headers={"Accept-Encoding": "identity"})
        packed = client.get(path + "?f=json", headers={"Accept-Encoding": "gzip"})
        return None if plain.content == packed.content and "Accept" in packed.headers.get("Vary", "") else f"Vary {packed.headers.get('Vary')!r}"

    def openapi() -> str | None:
        text = client.get("/openapi.json").text
        return None if "/groupby/" in text else "the description of the interface has no groupby"

    for name, test in (("the page", page), ("links of the page", links), ("hostile words", hostile), ("what can be grouped", lists), ("the canonical link", canonical), ("tags", tags), ("compressed", compressed), ("openapi", openapi)):
        report.claim("forms", name, test)
    check_plots(client, report)
    report.claim("forms", "strict JSON of infinities and nothing", lambda: None if strict(client.get("/datasets/daily_noleap/groupby/sst/time.month/mean?f=json").text) else "empty")


def check_plots(client: Client, report: Report) -> None:
    """A plot of a result: another picture than that of the variable, the same however its words are ordered."""
    options = "groupby=time.month&action=mean"

    def picture() -> str | None:
        plain = client.get("/datasets/daily_noleap/plot/tas.png?frame=none&width=80&height=50")
        got = client.get(f"/datasets/daily_noleap/plot/tas.png?frame=none&width=80&height=50&{options}&month=7")
        if got.status_code != 200 or got.headers["Content-Type"] != "image/png":
            return f"status {got.status_code} {got.text[:150]}"
        return "it is the picture of the variable" if got.content == plain.content else None

    def facts() -> str | None:
        got = client.get(f"/datasets/daily_noleap/plot/tas.json?{options}&month=7&width=80")
        return None if got.status_code == 200 else f"status {got.status_code} {got.text[:150]}"

    def mistakes() -> str | None:
        found = {p: client.get(f"/datasets/daily_noleap/plot/tas.png?{p}").status_code for p in ("groupby=time.month&action=shout", "groupby=time.fortnight&action=mean", "groupby=time.month", "action=mean")}
        return None if set(found.values()) <= {400} else f"{found}"

    def same() -> str | None:
        words = ["width=90", "groupby=time.season", "action=max", "season=JJA"]
        one, two = (client.get("/datasets/daily_noleap/plot/tas.png?" + "&".join(w)) for w in (words, words[::-1]))
        return None if one.status_code == 200 and one.content == two.content and one.headers["ETag"] == two.headers["ETag"] else f"status {one.status_code} {two.status_code}"

    for name, test in (("a picture of a result", picture), ("its facts", facts), ("mistakes", mistakes), ("the order of words", same)):
        report.claim("plots", name, test)
