"The tables of the page for users of other libraries."

import json
from pathlib import Path

PAGE = Path(__file__).parent.parent / 'nbs' / 'tutorials' / 'coming_from.ipynb'


def rows(start, end):
    "Return the rows, as lists of cells, of all tables between the headings `start` and `end`."
    text = '\n'.join(''.join(c['source']) for c in json.loads(PAGE.read_text())['cells'])
    part = text[text.index(f'## {start}\n') : text.index(f'## {end}\n')]
    lines = [line.strip('|').split('|') for line in part.splitlines() if line.startswith('|')]
    cells = [[cell.strip() for cell in line] for line in lines]
    # Below the head of each table is a rule.
    rules = {i for i, line in enumerate(cells) if set(line[0]) == {'-'}}
    return [line for i, line in enumerate(cells) if i not in rules and i + 1 not in rules]
