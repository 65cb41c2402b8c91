"""The HTML of a study's report; its style is that of a run's report and a little more."""

from __future__ import annotations

from aegan.report.template import CSS

_CSS = """\
nav { columns: 2 22rem; margin: 1.2rem 0; padding: .2rem 0; max-width: 62rem; }
nav a { display: block; color: var(--blue); padding: .12rem 0; text-decoration: none; }
nav a:hover, nav a:focus { text-decoration: underline; }
.origin { color: var(--soft); font-size: .78rem; margin: .2rem 0 1rem; max-width: none; }
.panels.wide { grid-template-columns: repeat(auto-fill, minmax(min(400px, 100%), 1fr));
  max-width: 56rem; }
.scroll + .origin { margin-top: -.7rem; }
.command { color: var(--soft); font-size: .78rem; max-width: none; overflow-wrap: anywhere; }
.badge { display: inline-block; border-radius: .7rem; padding: 0 .6rem; font-size: .78rem;
  font-weight: 700; white-space: nowrap; border: 1px solid; }
.holds { color: #00543d; background: #e2f4ee; border-color: #009E73; }
.fails { color: #8a3c00; background: #fdf1e8; border-color: #D55E00; }
.open { color: #4a4a4a; background: #f3f3f3; border-color: #949494; }
details.fold { margin: 0; border: 0; border-bottom: 1px solid #ececec; padding: .45rem 0; }
details.fold .badge { margin-left: .4rem; }
td.words { min-width: 6rem; }
td.words:has(.badge) { min-width: 0; white-space: nowrap; }
tr > :first-child { max-width: 17rem; }
details.fold tr > :first-child { max-width: 24rem; }
@media (max-width: 600px) {
  tr > :first-child, details.fold tr > :first-child { max-width: 9rem; min-width: 6rem; }
  [aria-label^="The paper's claims"] td.words:not(:has(.badge)) { min-width: 15rem; }
}
@media print {
  nav { display: none; }
  .panels.wide { grid-template-columns: repeat(2, 1fr); }
  details.fold { break-inside: avoid-page; }
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
    + _CSS
    + """\
</style>
</head>
<body>
{% macro show(block, part, titled) %}
{% if block is string %}
<p>{{ block }}</p>
{% elif block.panels is defined %}
{% if titled %}
<h3>{{ block.title }}</h3>
{% endif %}
<p class="caption">{{ block.caption }} Data: figures/{{ block.name }}.csv</p>
{% set wide = block.panels | length == 4 and not block.name.startswith("losses") %}
<div class="panels{{ " wide" if wide }}">
{% for panel in block.panels %}
<img src="{{ panel.png | data_url }}" alt="{{ panel.alt }}">
{% endfor %}
</div>
{% if part %}
<p class="origin">{{ origin(part) }}</p>
{% endif %}
{% else %}
{{ block | table }}
{% if part %}
<p class="origin">{{ origin(part) }}</p>
{% endif %}
{% endif %}
{% endmacro %}
<main>
<h1>{{ title }}</h1>
<p class="subtitle">{{ subtitle }}</p>
{% for banner in banners %}
<p class="banner" role="note">{{ banner }}</p>
{% endfor %}
<div class="short">
<p><strong>{{ headline }}</strong></p>
{% for line in short %}
<p>{{ line }}</p>
{% endfor %}
</div>
<nav aria-label="Contents">
{% for section in sections %}
<a href="#{{ section.key }}">{{ section.title }}</a>
{% endfor %}
</nav>
{% for section in sections %}
<section><h2 id="{{ section.key }}">{{ section.title }}</h2>
{% for block in section.blocks %}
{% if block.badge is defined %}
<details class="fold"><summary>{{ block.title }}
{% if block.badge %}
<span class="badge {{ badges[block.badge] }}">{{ block.badge }}</span>
{% endif %}
</summary>
{% for inner in block.blocks %}
{{ show(inner, section.part if block.measured else "", false) }}
{% endfor %}
</details>
{% else %}
{{ show(block, section.part, section.figures > 1) }}
{% endif %}
{% endfor %}
{% if section.command and command %}
<p class="command">Command: <code>{{ command }}</code></p>
{% endif %}
</section>
{% endfor %}
</main>
</body>
</html>
"""
)
