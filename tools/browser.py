"""Print the path of a Chromium, for the tests that look at the site. Where there is none, say how to get one; exit code 1.

    python tools/browser.py
    python tools/browser.py --install

It looks for the variable FASTLR_BROWSER, the programs of Debian, Fedora and Google, and the browser that Playwright installs.
`--install` installs one where there is none: Debian's package `chromium`, where root runs it, or else Playwright's own."""

import argparse, os, shutil, subprocess, sys
from pathlib import Path

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')


def find():
    "The path of a browser, or None."
    if named := os.environ.get('FASTLR_BROWSER'):
        if Path(named).is_file():
            return named
        sys.exit(f'FASTLR_BROWSER must be the path of a browser, got {named!r}')
    return next((p for p in map(shutil.which, NAMES) if p and starts(p)), None) or playwrights()


def starts(path):
    "Whether it is a browser, and not the stub that some systems have in its place."
    return subprocess.run([path, '--version'], capture_output=True, timeout=60).returncode == 0


def playwrights():
    "The browser that Playwright has installed, or None."
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        path = p.chromium.executable_path
    return path if Path(path).is_file() else None


def install():
    "Try to get one; what was said by those that could not."
    said = []
    tries = [[sys.executable, '-m', 'playwright', 'install', 'chromium']]
    if shutil.which('apt-get') and os.geteuid() == 0:
        tries.insert(
            0,
            [
                'sh',
                '-c',
                'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium',
            ],
        )
    for cmd in tries:
        print(
            'installing a browser:', cmd[-1] if cmd[0] == 'sh' else ' '.join(cmd), file=sys.stderr, flush=True
        )
        p = subprocess.run(cmd, capture_output=True, text=True)
        if p.returncode == 0 and find():
            return said
        said.append(f"{' '.join(cmd)}\n{(p.stderr or p.stdout).strip()[-500:]}")
    return said


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--install', action='store_true', help='install one where there is none')
    install_it = parser.parse_args().install
    said = install() if install_it and not find() else []
    if path := find():
        print(path)
    elif install_it:
        sys.exit(
            '\n'.join(
                ['No browser could be installed. Install Chromium, or name one in FASTLR_BROWSER.', *said]
            )
        )
    else:
        sys.exit(
            'No browser was found, so no test will look at the site in one. To install one: make browser'
        )


if __name__ == '__main__':
    main()
