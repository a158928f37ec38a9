"""The elements: their symbols and numbers."""

from collections.abc import Iterable

_SYMBOLS = (
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As "
    "Se Br Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd "
    "Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am "
    "Cm Bk Cf Es Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og"
)
SYMBOLS = tuple(_SYMBOLS.split())
"""The symbol of each atomic number, from 1; 0 is X, which is no element."""

HEAVIEST_ELEMENT = len(SYMBOLS) - 1


def symbol_of(number: int) -> str:
    """The symbol of an atomic number; for an invalid number, the number in words."""
    return SYMBOLS[number] if 0 < number < len(SYMBOLS) else f"number {number}"


def symbols_of(numbers: Iterable[int]) -> str:
    """The symbols of atomic numbers, in ascending order, with commas."""
    return ", ".join(symbol_of(number) for number in sorted(numbers))
