"The site, built from the notebooks and looked at in a real browser."

import functools, http.server, inspect, io, json, os, re, shutil, subprocess, sys, threading
from pathlib import Path
from urllib.parse import urldefrag, urljoin

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / 'tools'))
pytest.importorskip('sphinx', reason="the site needs the extra 'docs'")
sync_api = pytest.importorskip('playwright.sync_api', reason="the site's tests need the extra 'docs'")
import browser as browsers
from test_hygiene import CLASSES, MODULES, name, symbols

WIDE, NARROW = dict(width=1400, height=1000), dict(width=380, height=800)


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    """Return the folder of a site that was just built, where a warning would have failed the build; or of the
    one that FASTLR_SITE names."""
    out = tmp_path_factory.mktemp('site')
    if built := os.environ.get('FASTLR_SITE'):
        # A copy, because a test adds a damaged page.
        return Path(shutil.copytree(Path(built) / 'html', out / 'html'))
    p = subprocess.run([sys.executable, ROOT / 'tools' / 'docs.py', out], capture_output=True, text=True)
    assert p.returncode == 0, p.stdout + p.stderr
    return out / 'html'


@pytest.fixture(scope='module')
def base(site):
    "Return the address of the site on this machine."

    class Quiet(http.server.SimpleHTTPRequestHandler):
        # Connections stay open: half of the time of a page went into making them.
        protocol_version = 'HTTP/1.1'

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=site))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f'http://127.0.0.1:{server.server_port}/'
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope='module')
def browser():
    path = browsers.find()
    if path is None:
        why = 'no browser: `make browser` installs one'
        if os.environ.get('FASTLR_NEEDS_BROWSER'):
            pytest.fail(why)
        pytest.skip(why)
    with sync_api.sync_playwright() as p:
        b = p.chromium.launch(executable_path=path, args=['--no-sandbox', '--disable-gpu'])
        yield b
        b.close()


@pytest.fixture
def page(browser):
    with browser.new_context(viewport=WIDE, reduced_motion='reduce') as context:
        yield context.new_page()


def names(site):
    return sorted(str(p.relative_to(site)) for p in site.rglob('*.html'))


def read(site):
    return [
        n
        for n in names(site)
        if not n.startswith('_modules') and n not in ('genindex.html', 'py-modindex.html', 'search.html')
    ]


# Find figures of a page that are not loaded, or of one colour throughout, which is what an empty figure is.
FIGURES = '''async () => {
  const bad = [];
  for (const img of document.querySelectorAll('article img')) {
    const name = img.getAttribute('src');
    img.loading = 'eager'; await img.decode().catch(() => {});
    if (!img.complete || img.naturalWidth < 20) { bad.push(name + ' has not loaded'); continue; }
    if (img.getBoundingClientRect().width < 20) { bad.push(name + ' is not shown'); continue; }
    const c = document.createElement('canvas'); c.width = c.height = 64;
    const g = c.getContext('2d'); g.drawImage(img, 0, 0, 64, 64);
    const d = g.getImageData(0, 0, 64, 64).data, seen = new Set();
    for (let i = 0; i < d.length; i += 4) seen.add(d[i] + ',' + d[i+1] + ',' + d[i+2] + ',' + d[i+3]);
    if (seen.size < 5) bad.push(name + ' is empty');
  }
  return bad;
}'''

# Find what extends beyond the right edge of the window, unless something around it scrolls.
OVERFLOW = '''() => {
  const page = document.documentElement;
  if (page.scrollWidth <= window.innerWidth) return [];
  return [`the page is ${page.scrollWidth} wide: ` + [...document.querySelectorAll('article *')]
    .filter(e => e.getBoundingClientRect().right > window.innerWidth + 1).slice(0, 3)
    .map(e => e.tagName + '.' + e.className).join(' ')];
}'''

# Find what can't be read in a narrow window: what is cut off where nothing scrolls, and cells of tables whose
# words are broken to columns of letters.
CUT = '''() => {
  const bad = [];
  for (const e of document.querySelectorAll('article table, article pre, article img')) {
    if (e.getBoundingClientRect().right <= window.innerWidth + 1) continue;
    let box = e;
    while (box && !['auto', 'scroll'].includes(getComputedStyle(box).overflowX)) box = box.parentElement;
    if (!box || box === document.body) bad.push(`${e.tagName}.${e.className} is cut off`);
  }
  for (const cell of document.querySelectorAll('article td')) {
    const {width, height} = cell.getBoundingClientRect();
    if (height > 250 && height > 4*width) bad.push(`a cell is ${width} wide and ${height} high`);
  }
  return bad;
}'''


# These two pages are also loaded on a phone, with their scripts, instead of only being made narrow.
LOADED_NARROW = 'index.html', '22_sweep.html'


def look(browser, base, names, on_a_phone=()):
    """Open each page of `names` in a wide window; those of `on_a_phone` are then made as narrow as a phone,
    and dark. Return what consoles, requests, figures and widths report."""
    found = []
    with browser.new_context(reduced_motion='reduce', viewport=WIDE) as context:
        page = context.new_page()
        now = None

        def note(words):
            found.append(f'{now}: {words}')

        page.on('console', lambda m: note(m.text) if m.type in ('error', 'warning') else None)
        page.on('pageerror', note)
        page.on(
            'request', lambda r: note(f'asks for {r.url}') if not r.url.startswith((base, 'data:')) else None
        )
        page.on('response', lambda r: note(f'{r.status} {r.url}') if r.status >= 400 else None)
        for now in names:
            page.goto(base + now)
            for words in page.evaluate(FIGURES) + page.evaluate(OVERFLOW):
                note(words)
            if now not in on_a_phone:
                continue
            page.set_viewport_size(NARROW)
            page.emulate_media(color_scheme='dark')
            if now in LOADED_NARROW:
                page.goto(base + now)
            for words in page.evaluate(FIGURES) + page.evaluate(OVERFLOW) + page.evaluate(CUT):
                note(f'on a phone, {words}')
            page.set_viewport_size(WIDE)
            page.emulate_media(color_scheme='light')
    return found


def test_every_page_loads_from_this_machine_alone_with_figures_and_fits_wide_screens_and_phones(
    browser, base, site
):
    assert len(names(site)) > 60 and look(browser, base, names(site), on_a_phone=read(site)) == []


def test_no_figure_of_a_notebook_is_lost(site):
    for nb in (ROOT / 'nbs').rglob('*.ipynb'):
        cells = json.loads(nb.read_text())['cells']
        figures = sum(
            'image/png' in o.get('data', {})
            for c in cells
            for o in c.get('outputs', [])
            if not ''.join(c['source']).startswith('#| hide')
        )
        html = (site / nb.relative_to(ROOT / 'nbs').with_suffix('.html')).read_text()
        assert len(re.findall(r'<img [^>]*src="[./]*_images/', html)) == figures, nb.name


@pytest.mark.parametrize(
    'damage, words',
    [
        ('<script>throw new Error("boom")</script>', 'damaged.html: boom'),
        ('<article><img src="gone.png"></article>', 'damaged.html: gone.png has not loaded'),
        ('<article><img src="one_colour.svg" width="50"></article>', 'is empty'),
        ('<article><pre style="width:2000px">x</pre></article>', 'damaged.html: the page is 20'),
        ('<article><pre style="width:700px">x</pre></article>', 'damaged.html: on a phone, the page is 7'),
        (
            '<style>@media (prefers-color-scheme: dark) { img { display: none } }</style>'
            '<article><img src="stripes.svg" width="50"></article>',
            'on a phone, stripes.svg is not shown',
        ),
        (
            '<article><table style="width: 9px"><td style="width: 9px; word-break: break-all">'
            + 'letters ' * 9
            + '</table></article>',
            'damaged.html: on a phone, a cell is',
        ),
        (
            '<article style="overflow: hidden; width: 300px"><pre style="width: 700px">x</pre></article>',
            'damaged.html: on a phone, PRE. is cut off',
        ),
        ('<link rel="stylesheet" href="https://example.org/x.css">', 'asks for'),
    ],
)
def test_a_damaged_page_is_noticed(browser, base, site, damage, words):
    "The checks above can fail and name the page, also where a sound page comes before it in the same window."
    square = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64">{}</svg>'
    stripes = ''.join(f'<rect width="64" height="{64 - 6 * i}" fill="#{i}{i}{i}"/>' for i in range(10))
    made = {
        'one_colour.svg': square.format('<rect width="64" height="64" fill="#abc"/>'),
        'stripes.svg': square.format(stripes),
        'damaged.html': f'<!doctype html><link rel="icon" href="data:,"><title>x</title>{damage}',
    }
    for file, text in made.items():
        (site / file).write_text(text)
    try:
        found = look(browser, base, ['search.html', 'damaged.html'], on_a_phone=['damaged.html'])
    finally:
        for file in made:
            (site / file).unlink()
    assert any(words in x for x in found), found
    assert all(x.startswith('damaged.html') for x in found), found


def test_every_link_within_the_site_leads_somewhere(site):
    "All links that don't leave the site lead to pages, and to places in them, that exist."
    text = {n: (site / n).read_text() for n in names(site)}
    ids = {n: set(re.findall(r'\bid="([^"]+)"', t)) for n, t in text.items()}
    links = {
        (n, h)
        for n, t in text.items()
        for h in re.findall(r'<a [^>]*\bhref="([^"]+)"', t)
        if not re.match(r'\w+:', h)
    }
    lost = []
    for n, h in links:
        to, anchor = urldefrag(urljoin(n, h))
        if not (site / (to or n)).exists():
            lost.append((n, h))
        elif anchor and (to or n) in ids and anchor not in ids[to or n]:
            lost.append((n, h))
    assert len(links) > 500 and lost == []


def test_nothing_of_the_notebooks_machinery_is_left(site):
    left = {
        n: m.group()
        for n in read(site)
        if (
            m := re.search(
                r'#\|&? ?\w+|&lt;Figure size|NBDev', re.sub(r'<[^>]+>', '', (site / n).read_text())
            )
        )
    }
    assert {n for n in left if n not in ('contributing.html', 'changelog.html')} == set()


def test_tables_that_a_notebook_shows_are_tables(site):
    for page_name, words in (('26_callback', 'epochs asked for'), ('tutorials/speed', 'µs per step')):
        html = (site / f'{page_name}.html').read_text()
        assert len(re.findall(rf'<t[hd][^>]*>(?:<p>)?{words}', html)) == 1


def test_from_the_first_page_to_any_other_by_the_menu(page, base, site):
    page.goto(base)
    shown = page.locator('.sidebar-tree a.reference').evaluate_all('links => links.map(a => a.href)')
    wanted = {base + n for n in read(site)} - {base + 'index.html'}
    assert wanted <= set(map(lambda h: urldefrag(h)[0], shown))
    page.click('.sidebar-tree >> text="Five minutes"')
    assert page.url == base + 'tutorials/start.html' and page.inner_text('h1').startswith('Five minutes')
    page.click('a.next-page')
    assert page.inner_text('h1').startswith('Choosing a rate')
    page.click('a.prev-page')
    assert page.inner_text('h1').startswith('Five minutes')
    page.click('.toc-tree >> text=without a learner')
    page.wait_for_function(
        'document.querySelector("[id*=\\"without-a-learner\\"]").getBoundingClientRect().top < 200'
    )


def test_on_a_phone_the_menu_opens(browser, base):
    with browser.new_context(viewport=NARROW, reduced_motion='reduce') as context:
        page = context.new_page()
        page.goto(base)
        link = page.locator('.sidebar-tree >> text="Five minutes"')
        assert not in_view(link, page)
        page.click('.mobile-header .nav-overlay-icon')
        page.wait_for_timeout(300)
        link.click()
        page.wait_for_url('**/tutorials/start.html')
        assert (
            float(page.locator('article p').first.evaluate('e => parseFloat(getComputedStyle(e).fontSize)'))
            >= 14
        )


def in_view(locator, page):
    box = locator.bounding_box()
    return bool(box) and box['x'] >= 0 and box['x'] < page.viewport_size['width']


@pytest.mark.parametrize(
    'words, page_name',
    [
        ('divergence', 'reference/stop.html'),
        ('LRSweep', 'reference/sweep.html'),
        ('NoSuggestion', 'reference/suggestion.html'),
        ('GradScaler', '22_sweep.html'),
    ],
)
def test_search_finds(page, base, words, page_name):
    page.goto(base)
    page.fill('.sidebar-search', words)
    page.press('.sidebar-search', 'Enter')
    page.wait_for_selector('#search-results li a')
    page.wait_for_function("/finished|found/i.test(document.querySelector('#search-results').innerText)")
    hits = page.locator('#search-results li a').evaluate_all('links => links.map(a => a.href)')
    assert any(page_name in h for h in hits), hits
    page.locator(f'#search-results li a[href*="{page_name}"]').first.click()
    page.wait_for_url(f'**/{page_name}*')
    assert words.lower() in page.inner_text('article').lower()


def test_search_says_when_there_is_nothing(page, base):
    page.goto(base + 'search.html?q=zzyzzyva')
    page.wait_for_function("document.querySelector('#search-results').innerText.includes('did not match')")


# Find texts of a page that are hard to read: their contrast with what is behind them, as WCAG 2 counts it, is
# below 4.5.
FAINT = '''() => {
  const rgba = s => {
    const v = s.match(/[\\d.]+/g).map(Number);
    return [...v.slice(0, 3), v.length > 3 ? v[3] : 1];
  };
  const linear = v => (v /= 255) <= .03928 ? v/12.92 : ((v + .055)/1.055)**2.4;
  const light = c => c.slice(0, 3).map(linear).reduce((a, v, i) => a + v*[.2126, .7152, .0722][i], 0);
  const behind = e => {
    for (; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c[3] > .9) return c;
    }
    return [255, 255, 255, 1];
  };
  const silent = ['SCRIPT', 'STYLE', 'TITLE', 'TEXT', 'NOSCRIPT'];
  const found = {};
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let n; n = walk.nextNode();) {
    const e = n.parentElement, box = e.getBoundingClientRect();
    if (!n.data.trim() || !box.width || silent.includes(e.tagName.toUpperCase())) continue;
    if (!e.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
    const [a, b] = [light(rgba(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + .05)/(b + .05) < 4.5) found[e.tagName + '.' + e.className] = n.data.trim().slice(0, 30);
  }
  return Object.entries(found).map(x => x.join(': '));
}'''
BRIGHT = """() => {
  const color = getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3);
  return color.reduce((a, v) => a + +v, 0)/765;
}"""


def test_light_and_dark_are_switched_by_hand_and_remembered(page, base):
    page.emulate_media(color_scheme='light')
    page.goto(base + '22_sweep.html')
    assert page.evaluate(BRIGHT) > 0.9
    for _ in range(3):
        page.click('.content-icon-container .theme-toggle')
        if page.locator('body').get_attribute('data-theme') == 'dark':
            break
    assert page.evaluate(BRIGHT) < 0.15
    page.goto(base + 'tutorials/start.html')
    assert page.evaluate(BRIGHT) < 0.15


# The pages whose figures differ most: curves, areas, several panels, photographs, a drawing.
DRAWN = '05_plot', '39_examples', 'architecture', 'tutorials/measured', 'tutorials/which_rule'


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('name', DRAWN)
def test_figures_are_as_light_as_their_page_and_their_text_stands_out(page, base, scheme, name):
    page.emulate_media(color_scheme=scheme)
    page.goto(f'{base}{name}.html')
    page.evaluate("Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode() }))")
    figures = page.locator('article img').all()
    assert figures
    for figure in figures:
        image = Image.open(io.BytesIO(figure.screenshot())).convert('L')
        lightness = np.asarray(image, dtype=float) / 255
        if scheme == 'dark':
            lightness = 1 - lightness
        # Most is background, and the thin lines of axes and letters are far from it.
        assert np.mean(lightness) > 0.75 and np.quantile(lightness, 0.001) < 0.35, figure


def test_a_figure_to_point_at_says_the_rate(page, base):
    page.goto(base + '06_interactive.html')
    page.wait_for_selector('.plotly-graph-div .point')
    marks = page.evaluate(
        "document.querySelector('.plotly-graph-div').data.map((t, i) => [i, t.name || '', t.x[0]])"
    )
    ((index, _, rate),) = [m for m in marks if m[1].startswith('suggested: ')]
    page.locator('.plotly-graph-div .trace').nth(index).locator('.point').first.hover(force=True)
    said = page.locator('.hoverlayer .hovertext').text_content()
    assert f'rate {rate!r}' in said and 'centre of the fall' in said


def test_the_script_of_figures_is_loaded_by_the_pages_that_have_one(site):
    assert [n for n in names(site) if 'plotly.min.js"' in (site / n).read_text()] == ['06_interactive.html']


def test_every_figure_says_in_words_what_it_shows(site):
    said = [
        re.search(r'\balt="([^"]*)"', img)
        for n in read(site)
        for img in re.findall(r'<img [^>]*>', (site / n).read_text().split('<article', 1)[1])
    ]
    assert len(said) > 40 and not [s for s in said if not s or len(s[1]) < 20 or '_images' in s[1]]


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize(
    'name',
    [
        'index.html',
        '22_sweep.html',
        'tutorials/coming_from.html',
        'reference/lr_finder.html',
        'reference/index.html',
    ],
)
def test_all_text_can_be_read(page, base, scheme, name):
    page.emulate_media(color_scheme=scheme)
    page.goto(base + name)
    assert page.evaluate(FAINT) == []
    page.add_style_tag(content='article p { color: #888 !important; background: #999; }')
    # Text that is too faint would have been noticed.
    assert page.evaluate(FAINT) != []


def test_a_name_in_backticks_leads_to_the_reference(page, base):
    page.goto(base + '24_range_test.html')
    page.locator('article a.doclink', has_text='LRSweep').first.click()
    page.wait_for_url('**/reference/sweep.html#fastlr.sweep.LRSweep')
    table = page.locator('dl:has(> dt[id="fastlr.sweep.LRSweep"]) table.docments').first.inner_text()
    assert re.search(r'num_it\s+int\s+100\s+optimizer updates, at least 2', table)


def rows_of(html, full):
    "Return the names in the first column of the table of `full` in the reference."
    # A function with a method for each class has several signatures before its one description.
    start = html.index('<dd>', html.index(f'id="{full}"'))
    end = html.find('<dt class="sig', start)
    return set(
        re.findall(
            r'<tr class="row-(?:odd|even)"><td><p><code[^>]*><span class="pre">(\w+)</span>',
            html[start : end if end > 0 else None],
        )
    )


def test_the_reference_has_every_public_name_method_and_parameter(site):
    from fastcore.docments import docments

    homes = {c.__name__: c.__module__ for c in CLASSES}
    missing, seen = [], 0
    for module in map(name, MODULES):
        for qualname, x in symbols(module):
            first, _, method = qualname.partition('.')
            full, home = (
                (f'{homes[first]}.{qualname}' if method else f'fastlr.{module}.{qualname}'),
                homes[first] if method else f'fastlr.{module}',
            )
            html = (site / 'reference' / f"{home.removeprefix('fastlr.')}.html").read_text()
            if f'id="{full}"' not in html:
                missing.append(full)
                continue
            # Another name of a class leads to it.
            if inspect.isclass(x) and x.__name__ != qualname:
                continue
            own = next(iter(inspect.signature(x).parameters), None) if method else None
            wanted = {p for p, d in docments(x, full=True).items() if d.docment and p not in (own, 'return')}
            missing += [f'{full}: {p}' for p in wanted - rows_of(html, full)]
            seen += len(wanted)
    assert seen > 300 and missing == []
    # The table has the texts, and the docstring doesn't repeat them.
    assert not [p.name for p in (site / 'reference').glob('*.html') if 'Args:' in p.read_text()]


def test_every_doclink_leads_to_the_thing_of_that_name(site):
    seen = 0
    for n in read(site):
        for full, text in re.findall(
            r'<a class="doclink[^"]*" href="[^"]*" title="([^"]+)"><code[^>]*>(.*?)</code>',
            (site / n).read_text(),
        ):
            seen += 1
            said = re.sub(r'\(.*', '', re.sub(r'<[^>]+>', '', text)).split('.')[-1]
            assert full.split('.')[-1] == said, (n, said, full)
            assert 'integrations' not in full or n.startswith(
                ('6', 'reference/', 'index', 'changelog', 'architecture', 'contributing', 'tutorials')
            ), (n, full)
    assert seen > 200


def test_theirs_and_ours_stand_side_by_side(page, base):
    page.goto(base + 'tutorials/coming_from.html')
    there, here = page.locator('.sd-row').first.locator('.sd-col').all()
    a, b = there.bounding_box(), here.bounding_box()
    assert abs(a['y'] - b['y']) < 5 and b['x'] >= a['x'] + a['width'] - 1
    page.set_viewport_size(NARROW)
    a, b = there.bounding_box(), here.bounding_box()
    assert b['y'] > a['y'] and abs(a['x'] - b['x']) < 5


@pytest.mark.parametrize('width', [1300, NARROW['width']])
def test_code_is_not_cut_off_at_the_right(page, base, width):
    "On a screen of 1300 pixels 110 columns fit, and on a phone lines are broken."
    page.set_viewport_size(dict(width=width, height=900))
    cut = "blocks => blocks.filter(b => b.scrollWidth > b.clientWidth + 1).map(b => b.innerText.slice(0, 80))"
    for notebook in ('22_sweep', '15_snapshot', '42_cli'):
        page.goto(f'{base}{notebook}.html')
        assert page.locator('div.highlight pre').evaluate_all(cut) == []


def test_no_screen_is_too_narrow_for_the_page(page, base):
    "Where menu, page and its contents get room or lose it, at the widths around each step."
    page.goto(base + '22_sweep.html')
    for width in (320, 639, 641, 1007, 1279, 1281, 1311, 1313, 1395, 1397, 1599, 1601, 1855, 1857, 2560):
        page.set_viewport_size(dict(width=width, height=900))
        assert page.evaluate('document.documentElement.scrollWidth') <= width
