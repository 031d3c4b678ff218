"""Where each control stands, written from the contract; nothing here is imported from the package.

Sources: section 4.1 for which endpoint has which control [sdk]; 4.2 and 6 for the dialects
([docs: D-v3] [ws] [seed T]); 1.3 for the headers ([docs: D-id] [ws]); 4.6 for forms [sdk-wire].

Where the contract leaves room, this was decided:

- v3: identity and thread are top level on chat and responses only, the two endpoints seen so;
  elsewhere the identity's id travels in its header and a thread is refused.
- metadata without a place in the schema travels in headers.
- v2/gateway and v2/proxy nest what has a nested schema; metadata, which is in none, stays where
  OpenAI has it; guardrails and plugins, which are younger, are refused.
- /responses exists under v3 only.
"""

DIALECTS = ("v3/router", "v2/router", "v2/gateway", "v2/proxy")

CELLS = {
    "top": "a member of the body, or a part of the form",
    "orq": "a member of the one orq object",
    "orq as contact": "so, under its older name",
    "orq as inputs": "so, under its older name",
    "orq as a list": "so, without the object around the models",
    "header": "X-ORQ-IDENTITY-ID, or X-ORQ-METADATA-<KEY>",
    "refused": "no place: the call is not sent",
    "absent": "the endpoint does not exist there",
}

CHAT = """
| control           | v3/router | v2/router | v2/gateway     | v2/proxy      |
| fallbacks         | top       | top       | orq            | orq           |
| fallback_on_codes | top       | top       | orq            | orq           |
| retry             | top       | top       | orq            | orq           |
| load_balancer     | top       | top       | orq as a list  | orq           |
| cache             | top       | top       | orq            | orq           |
| timeout           | top       | top       | orq            | orq           |
| name              | top       | top       | orq            | orq           |
| identity          | top       | orq       | orq as contact | orq           |
| thread            | top       | orq       | orq            | orq           |
| metadata          | top       | top       | top            | top           |
| guardrails        | top       | top       | refused        | refused       |
| plugins           | top       | top       | refused        | refused       |
| variables         | top       | top       | orq as inputs  | orq as inputs |
"""

RESPONSES = """
| control           | v3/router | v2/router | v2/gateway | v2/proxy |
| fallbacks         | top       | absent    | absent     | absent   |
| fallback_on_codes | top       | absent    | absent     | absent   |
| retry             | top       | absent    | absent     | absent   |
| load_balancer     | top       | absent    | absent     | absent   |
| cache             | top       | absent    | absent     | absent   |
| timeout           | top       | absent    | absent     | absent   |
| name              | top       | absent    | absent     | absent   |
| identity          | top       | absent    | absent     | absent   |
| thread            | top       | absent    | absent     | absent   |
| metadata          | top       | absent    | absent     | absent   |
| guardrails        | top       | absent    | absent     | absent   |
| plugins           | top       | absent    | absent     | absent   |
| variables         | top       | absent    | absent     | absent   |
"""

IMAGE_GENERATIONS = """
| control           | v3/router | v2/router | v2/gateway     | v2/proxy |
| fallbacks         | top       | top       | orq            | orq      |
| fallback_on_codes | top       | top       | orq            | orq      |
| retry             | top       | top       | orq            | orq      |
| load_balancer     | top       | top       | orq as a list  | orq      |
| cache             | top       | top       | orq            | orq      |
| timeout           | top       | top       | orq            | orq      |
| name              | top       | top       | orq            | orq      |
| identity          | header    | orq       | orq as contact | orq      |
| thread            | refused   | refused   | refused        | refused  |
| metadata          | top       | top       | top            | top      |
| guardrails        | refused   | refused   | refused        | refused  |
| plugins           | top       | top       | refused        | refused  |
| variables         | refused   | refused   | refused        | refused  |
"""

IMAGE_EDITS_AND_VARIATIONS = """
| control           | v3/router | v2/router | v2/gateway     | v2/proxy |
| fallbacks         | top       | top       | orq            | orq      |
| fallback_on_codes | top       | top       | orq            | orq      |
| retry             | top       | top       | orq            | orq      |
| load_balancer     | top       | top       | orq as a list  | orq      |
| cache             | top       | top       | orq            | orq      |
| timeout           | top       | top       | orq            | orq      |
| name              | top       | top       | orq            | orq      |
| identity          | header    | orq       | orq as contact | orq      |
| thread            | refused   | refused   | refused        | refused  |
| metadata          | header    | header    | header         | header   |
| guardrails        | refused   | refused   | refused        | refused  |
| plugins           | refused   | refused   | refused        | refused  |
| variables         | refused   | refused   | refused        | refused  |
"""

SPEECH = """
| control           | v3/router | v2/router | v2/gateway     | v2/proxy |
| fallbacks         | top       | top       | orq            | orq      |
| fallback_on_codes | top       | top       | orq            | orq      |
| retry             | top       | top       | orq            | orq      |
| load_balancer     | top       | top       | orq as a list  | orq      |
| cache             | refused   | refused   | refused        | refused  |
| timeout           | top       | top       | orq            | orq      |
| name              | top       | top       | orq            | orq      |
| identity          | header    | orq       | orq as contact | orq      |
| thread            | refused   | orq       | orq            | orq      |
| metadata          | header    | header    | header         | header   |
| guardrails        | refused   | refused   | refused        | refused  |
| plugins           | refused   | refused   | refused        | refused  |
| variables         | refused   | refused   | refused        | refused  |
"""

TRANSCRIPTIONS_AND_TRANSLATIONS = """
| control           | v3/router | v2/router | v2/gateway     | v2/proxy |
| fallbacks         | top       | top       | orq            | orq      |
| fallback_on_codes | top       | top       | orq            | orq      |
| retry             | top       | top       | orq            | orq      |
| load_balancer     | top       | top       | orq as a list  | orq      |
| cache             | refused   | refused   | refused        | refused  |
| timeout           | top       | top       | orq            | orq      |
| name              | top       | top       | orq            | orq      |
| identity          | header    | orq       | orq as contact | orq      |
| thread            | refused   | refused   | refused        | refused  |
| metadata          | header    | header    | header         | header   |
| guardrails        | refused   | refused   | refused        | refused  |
| plugins           | refused   | refused   | refused        | refused  |
| variables         | refused   | refused   | refused        | refused  |
"""

BLOCKS = {
    "/chat/completions": CHAT,
    "/responses": RESPONSES,
    "/images/generations": IMAGE_GENERATIONS,
    "/images/edits": IMAGE_EDITS_AND_VARIATIONS,
    "/images/variations": IMAGE_EDITS_AND_VARIATIONS,
    "/audio/speech": SPEECH,
    "/audio/transcriptions": TRANSCRIPTIONS_AND_TRANSLATIONS,
    "/audio/translations": TRANSCRIPTIONS_AND_TRANSLATIONS,
}

FORMS = {"/images/edits", "/images/variations", "/audio/transcriptions", "/audio/translations"}

FORM_SHAPES = {
    "fallbacks": "one JSON part",
    "fallback_on_codes": "repeated name[] parts",
    "retry": "one JSON part",
    "load_balancer": "one JSON part",
    "cache": "one JSON part",
    "timeout": "one JSON part",
    "name": "one plain part",
    "orq": "one JSON part",
}


def rows(block: str) -> list[list[str]]:
    """The lines of a block, each a list of its cells."""
    lines = block.strip().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def read(block: str) -> dict[tuple[str, str], str]:
    """A block as ``{(control, dialect): cell}``."""
    head, *body = rows(block)
    return {
        (control, dialect): cell
        for control, *cells in body
        for dialect, cell in zip(head[1:], cells, strict=True)
    }


TABLE = {
    (path, control, dialect): cell
    for path, block in BLOCKS.items()
    for (control, dialect), cell in read(block).items()
}
