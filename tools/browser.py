"""Print the path of a Chromium, for the tests of the site. Without one, say how to get it and exit with 1.

    python tools/browser.py
    python tools/browser.py --install

The script looks at the variable FASTLR_BROWSER, for the programs of Debian, Fedora and Google, and for the
browser that Playwright installs. With `--install` it installs a browser if it finds none: Debian's package
`chromium` if root runs the script, Playwright's own browser otherwise."""

import argparse, os, shutil, subprocess, sys
from pathlib import Path

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome')
APT = (
    'apt-get update -qq && '
    'DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium'
)


def find():
    "Return the path of a browser, or None."
    if named := os.environ.get('FASTLR_BROWSER'):
        if Path(named).is_file():
            return named
        sys.exit(f'FASTLR_BROWSER must be the path of a browser, got {named!r}')
    return next((p for p in map(shutil.which, NAMES) if p and starts(p)), None) or playwright_browser()


def starts(path):
    "Return whether `path` is a browser, and not the stub that some systems have in its place."
    return subprocess.run([path, '--version'], capture_output=True, timeout=60).returncode == 0


def playwright_browser():
    "Return the path of the browser that Playwright has installed, or None."
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        path = p.chromium.executable_path
    return path if Path(path).is_file() else None


def install():
    "Try to install a browser, and return the error messages of the attempts that failed."
    errors = []
    attempts = [[sys.executable, '-m', 'playwright', 'install', 'chromium']]
    if shutil.which('apt-get') and os.geteuid() == 0:
        attempts.insert(0, ['sh', '-c', APT])
    for command in attempts:
        shown = command[-1] if command[0] == 'sh' else ' '.join(command)
        print('installing a browser:', shown, file=sys.stderr, flush=True)
        p = subprocess.run(command, capture_output=True, text=True)
        if p.returncode == 0 and find():
            return errors
        errors.append(f"{' '.join(command)}\n{(p.stderr or p.stdout).strip()[-500:]}")
    return errors


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--install', action='store_true', help='install a browser if there is none')
    install_it = parser.parse_args().install
    errors = install() if install_it and not find() else []
    if path := find():
        print(path)
    elif install_it:
        remedy = 'No browser could be installed. Install Chromium, or name a browser in FASTLR_BROWSER.'
        sys.exit('\n'.join([remedy, *errors]))
    else:
        sys.exit(
            'No browser was found, so the tests of the site in one are skipped. To install one: make browser'
        )


if __name__ == '__main__':
    main()
