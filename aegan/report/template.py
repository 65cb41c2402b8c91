"""The HTML of the report, kept in Python so that the package has no data files to ship."""

from __future__ import annotations

CSS = """\
:root { --ink: #222; --soft: #595959; --line: #d9d9d9; --mark: #eef4f9; --blue: #0072B2; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
p { max-width: 46rem; margin: .6rem 0; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .4rem; border-top: 1px solid var(--line);
  padding-top: 1rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .2rem; }
.subtitle, .caption { color: var(--soft); }
.caption { font-size: .9rem; margin-top: 1rem; }
.banner { max-width: none; border: 2px solid #D55E00; background: #fdf1e8; padding: .6rem .9rem;
  font-weight: 700; }
.short { border-left: 4px solid var(--blue); background: #f6f9fb; padding: .5rem 1rem;
  margin: 1rem 0; max-width: 52rem; }
.short strong { font-size: 1.15rem; }
.scroll { overflow-x: auto; max-width: 100%; margin: .4rem 0 1rem;
  border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .6rem; text-align: right; vertical-align: top; white-space: nowrap; }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom; white-space: normal;
  min-width: 4.8rem; max-width: 9rem; line-height: 1.25; }
tbody th { font-weight: 400; }
tr > :first-child { text-align: left; position: sticky; left: 0; background: #fff;
  max-width: 13rem; white-space: normal; min-width: 6rem; }
tbody tr { border-bottom: 1px solid #ececec; }
td.words, thead th.words { text-align: left; white-space: normal; max-width: 30rem;
  overflow-wrap: anywhere; min-width: 8rem; }
tr.marked > * { background: var(--mark); font-weight: 700; }
td small { display: block; color: var(--soft); font-size: .76rem; font-weight: 400; }
.panels { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr));
  gap: 1rem; align-items: start; margin: .4rem 0; }
.panels img { width: 100%; max-width: 440px; height: auto; display: block; }
details { margin-top: 2.6rem; border-top: 1px solid var(--line); padding-top: 1rem; }
summary { cursor: pointer; } summary h2 { display: inline; border: 0; }
@media print {
  body { font-size: 10pt; } main { padding: 0; max-width: none; }
  table { font-size: 7.2pt; } td small { font-size: 6pt; } th, td { padding: .15rem .25rem; }
  thead th { min-width: 0; }
  .scroll { overflow: visible; } .panels { grid-template-columns: repeat(3, 1fr); }
  .panels img, tr, .short { break-inside: avoid; } h2, h3, .caption { break-after: avoid; }
  details::details-content { content-visibility: visible; display: block; }
}
"""

HTML = (
    """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light">
<title>{{ title }} ({{ subtitle }})</title>
<style>
"""
    + CSS
    + """\
</style>
</head>
<body>
<main>
<h1>{{ title }}</h1>
<p class="subtitle">{{ subtitle }}</p>
{% for banner in banners %}
<p class="banner" role="note">{{ banner }}</p>
{% endfor %}
<div class="short">
<p><strong>Verdict: {{ word }}</strong></p>
{% for line in short %}
<p>{{ line }}</p>
{% endfor %}
</div>
{% if words %}
<p>{{ words }}</p>
{% endif %}
{% for section in sections %}
{% if section.folded %}
<details><summary><h2>{{ section.title }}</h2></summary>
{% else %}
<section><h2>{{ section.title }}</h2>
{% endif %}
{% for text in section.text %}
<p>{{ text }}</p>
{% endfor %}
{% for table in section.tables %}
{{ table | table }}
{% endfor %}
{% for figure in section.figures %}
{% if section.tables %}
<h3>{{ figure.title }}</h3>
{% endif %}
<p class="caption">{{ figure.caption }} Data: figures/{{ figure.name }}.csv</p>
<div class="panels">
{% for panel in figure.panels %}
<img src="{{ panel.png | data_url }}" alt="{{ panel.alt }}">
{% endfor %}
</div>
{% endfor %}
{% if section.folded %}
</details>
{% else %}
</section>
{% endif %}
{% endfor %}
</main>
</body>
</html>
"""
)
