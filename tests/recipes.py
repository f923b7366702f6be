"The code of the page of recipes, for the tests that run it and for those that check its types."

import json, re
from pathlib import Path

PAGE = Path(__file__).parent.parent / 'nbs' / 'tutorials' / 'recipes.ipynb'
CELLS = json.loads(PAGE.read_text())['cells']
# The call that searches, and the package that a cell needs.
SEARCH = re.compile(r'\b(find_lr|lr_find|LRSweep)\(')
NEEDS = re.compile(r'#\| needs: (\w+)\n')


def recipes():
    "Return the code that all recipes share, and the title of each recipe with its blocks of code."
    shared, found, title = [], {}, None
    for cell in CELLS:
        text = ''.join(cell['source'])
        if cell['cell_type'] == 'code':
            (found.setdefault(title, []) if title else shared).append(text)
        elif heading := re.match('## (.*)', text):
            title = heading[1]
    return '\n'.join(shared), found


SHARED, RECIPES = recipes()


def needed_by(title):
    "Return the name of the package that a recipe needs."
    return NEEDS.match(RECIPES[title][0])[1]
