"""The words of the ten invented genres of the demo corpus.

Five genres are *matched* (they occur in training and in ``validation_matched``), five are *mismatched* (they
occur only in ``validation_mismatched``). Every genre brings its own people, objects, places, verbs and
premise frames. Nouns stand in two-level taxonomies: a class name and the members that fall under it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """Three forms of a verb that fits every object of its genre."""

    base: str
    past: str
    gerund: str


@dataclass(frozen=True)
class Genre:
    """Vocabulary and premise frames of one genre.

    Attributes:
        people: class name -> members, all countable nouns.
        objects: class name -> members, all countable nouns.
        indoors: place phrases with their preposition, all under a roof.
        outdoors: place phrases with their preposition, all in the open.
        verbs: verbs that take any of the objects.
        frames: premise patterns with one ``{}`` for a lower-case clause; none of them changes what the clause
            claims.
    """

    name: str
    matched: bool
    people: dict[str, tuple[str, ...]]
    objects: dict[str, tuple[str, ...]]
    indoors: tuple[str, ...]
    outdoors: tuple[str, ...]
    verbs: tuple[Verb, ...]
    frames: tuple[str, ...]


TIMES: dict[str, tuple[str, ...]] = {
    "on a weekday": ("on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday"),
    "at the weekend": ("on Saturday", "on Sunday"),
    "in summer": ("in June", "in July", "in August"),
    "in winter": ("in December", "in January", "in February"),
}
"""Class of a time -> its members, as adverbial phrases."""

ADJECTIVES = ("old", "small", "red", "heavy", "broken", "expensive", "dusty", "blue", "ugly", "new")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _verbs(text: str) -> tuple[Verb, ...]:
    """Read ``base past gerund`` triples from one string."""
    words = text.split()
    return tuple(Verb(*words[i : i + 3]) for i in range(0, len(words), 3))


GENRES: tuple[Genre, ...] = (
    Genre(
        name="folktale",
        matched=True,
        people={
            "villager": _words("blacksmith miller shepherd weaver"),
            "noble": _words("knight duchess prince baron"),
        },
        objects={
            "weapon": _words("sword dagger spear"),
            "jewel": _words("ruby necklace crown"),
            "instrument": _words("lute flute harp"),
        },
        indoors=("in the tower", "in the cellar", "in the chapel"),
        outdoors=("in the forest", "in the meadow", "in the orchard"),
        verbs=_verbs(
            "hide hid hiding steal stole stealing polish polished polishing carry carried carrying "
            "admire admired admiring"
        ),
        frames=(
            "The wolves were howling, and {}.",
            "The king was asleep, but {}.",
            "As every child in the land knew, {}.",
            "{}, and the bells were ringing.",
        ),
    ),
    Genre(
        name="seafaring",
        matched=True,
        people={
            "mariner": _words("captain deckhand navigator bosun"),
            "passenger": _words("pilgrim merchant diplomat stowaway"),
        },
        objects={
            "container": _words("barrel crate basket"),
            "device": _words("compass telescope sextant"),
            "fish": _words("tuna herring mackerel"),
        },
        indoors=("in the cabin", "in the galley", "in the warehouse"),
        outdoors=("on the deck", "on the beach", "in the harbour"),
        verbs=_verbs(
            "find found finding sell sold selling weigh weighed weighing lose lost losing lift lifted lifting"
        ),
        frames=(
            "The sea was calm, and {}.",
            "Note for the log: {}.",
            "The wind was rising, but {}.",
            "{}, and the sails were up.",
        ),
    ),
    Genre(
        name="townhall",
        matched=True,
        people={
            "official": _words("mayor treasurer inspector judge"),
            "employee": _words("clerk typist archivist janitor"),
        },
        objects={
            "document": _words("report permit contract"),
            "vehicle": _words("truck bus scooter"),
            "machine": _words("printer scanner copier"),
        },
        indoors=("in the archive", "in the lobby", "in the basement"),
        outdoors=("in the plaza", "in the courtyard", "in the car park"),
        verbs=_verbs(
            "inspect inspected inspecting order ordered ordering photograph photographed photographing "
            "borrow borrowed borrowing return returned returning"
        ),
        frames=(
            "For the record, {}.",
            "The committee is aware that {}.",
            "The vote was over, and {}.",
            "{}, as the minutes correctly state.",
        ),
    ),
    Genre(
        name="cookery",
        matched=True,
        people={
            "relative": _words("uncle cousin grandmother nephew"),
            "neighbour": _words("plumber teacher nurse baker"),
        },
        objects={
            "vegetable": _words("carrot onion turnip"),
            "dessert": _words("cake pie pudding"),
            "utensil": _words("ladle whisk spatula"),
        },
        indoors=("in the kitchen", "in the pantry", "in the dining room"),
        outdoors=("in the backyard", "on the porch", "in the garden"),
        verbs=_verbs(
            "buy bought buying wash washed washing bring brought bringing wrap wrapped wrapping "
            "drop dropped dropping"
        ),
        frames=("Uh, {}.", "Yeah, well, {}.", "You know, {}.", "{}, and the soup was getting cold."),
    ),
    Genre(
        name="railway",
        matched=True,
        people={
            "traveller": _words("cyclist backpacker tourist student"),
            "worker": _words("conductor porter driver signaller"),
        },
        objects={
            "bag": _words("suitcase rucksack briefcase"),
            "publication": _words("magazine newspaper guidebook"),
            "snack": _words("sandwich pretzel muffin"),
        },
        indoors=("in the waiting room", "in the dining car", "in the ticket hall"),
        outdoors=("on the platform", "on the bridge", "at the bus stop"),
        verbs=_verbs(
            "purchase purchased purchasing unpack unpacked unpacking share shared sharing "
            "examine examined examining store stored storing"
        ),
        frames=(
            "The train was late, and {}.",
            "Attention please: {}.",
            "The whistle blew, but {}.",
            "{}, and the doors were closing.",
        ),
    ),
    Genre(
        name="orchestra",
        matched=False,
        people={
            "musician": _words("cellist violinist drummer pianist"),
            "artist": _words("painter sculptor dancer singer"),
        },
        objects={
            "garment": _words("jacket scarf sweater"),
            "prize": _words("trophy medal ribbon"),
            "instrument": _words("cello trumpet tuba"),
        },
        indoors=("in the concert hall", "in the dressing room", "in the studio"),
        outdoors=("in the park", "on the terrace", "on the lawn"),
        verbs=_verbs(
            "rent rented renting sketch sketched sketching clean cleaned cleaning decorate decorated "
            "decorating "
            "misplace misplaced misplacing"
        ),
        frames=(
            "The audience was clapping, and {}.",
            "Dear listeners, {}.",
            "The curtain fell, but {}.",
            "{}, and the violins were out of tune.",
        ),
    ),
    Genre(
        name="observatory",
        matched=False,
        people={
            "scientist": _words("astronomer chemist botanist geologist"),
            "technician": _words("electrician welder mechanic programmer"),
        },
        objects={
            "gadget": _words("camera laptop tablet"),
            "stone": _words("pebble crystal meteorite"),
            "book": _words("atlas dictionary almanac"),
        },
        indoors=("in the laboratory", "in the lecture room", "in the dome"),
        outdoors=("on the hillside", "in the desert", "on the roof"),
        verbs=_verbs(
            "study studied studying measure measured measuring label labelled labelling scan scanned "
            "scanning "
            "collect collected collecting"
        ),
        frames=(
            "The sky was clear, and {}.",
            "The records confirm that {}.",
            "The instruments were humming, but {}.",
            "{}, and the moon was full.",
        ),
    ),
    Genre(
        name="clinic",
        matched=False,
        people={
            "medic": _words("surgeon dentist therapist paramedic"),
            "athlete": _words("swimmer boxer runner goalkeeper"),
        },
        objects={
            "pet": _words("poodle kitten parrot"),
            "remedy": _words("pill potion ointment"),
            "seat": _words("chair stool bench"),
        },
        indoors=("in the ward", "in the pharmacy", "in the hallway"),
        outdoors=("on the driveway", "in the paddock", "in the playground"),
        verbs=_verbs(
            "deliver delivered delivering check checked checking test tested testing remove removed removing "
            "observe observed observing"
        ),
        frames=(
            "The phone was ringing, and {}.",
            "For your information, {}.",
            "The waiting list is long, but {}.",
            "{}, and the lights were still on.",
        ),
    ),
    Genre(
        name="mountaineering",
        matched=False,
        people={
            "explorer": _words("ranger skier mountaineer geographer"),
            "farmer": _words("beekeeper goatherd winemaker cowhand"),
        },
        objects={
            "plant": _words("fern tulip cactus"),
            "boat": _words("canoe raft kayak"),
            "light": _words("candle torch lantern"),
        },
        indoors=("in the hut", "in the barn", "in the lodge"),
        outdoors=("in the valley", "on the glacier", "in the canyon"),
        verbs=_verbs(
            "draw drew drawing discover discovered discovering paint painted painting repair repaired "
            "repairing "
            "pack packed packing"
        ),
        frames=(
            "Snow was falling, and {}.",
            "Believe it or not, {}.",
            "The rope was frozen, but {}.",
            "{}, and the summit was hidden by clouds.",
        ),
    ),
    Genre(
        name="workshop",
        matched=False,
        people={
            "artisan": _words("potter tailor carpenter cobbler"),
            "client": _words("lawyer banker widow journalist"),
        },
        objects={
            "tool": _words("hammer drill wrench"),
            "toy": _words("kite puzzle doll"),
            "ornament": _words("vase figurine statuette"),
        },
        indoors=("in the showroom", "in the storeroom", "in the workshop"),
        outdoors=("in the street", "in the alley", "on the pavement"),
        verbs=_verbs(
            "mend mended mending copy copied copying display displayed displaying deliver delivered "
            "delivering "
            "varnish varnished varnishing"
        ),
        frames=(
            "The shop was closed, and {}.",
            "As the ledger shows, {}.",
            "The glue was still wet, but {}.",
            "{}, and there was dust everywhere.",
        ),
    ),
)
"""All genres, the matched ones first."""

MATCHED: tuple[Genre, ...] = tuple(genre for genre in GENRES if genre.matched)
MISMATCHED: tuple[Genre, ...] = tuple(genre for genre in GENRES if not genre.matched)
