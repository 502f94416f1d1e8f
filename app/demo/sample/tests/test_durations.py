import unittest

from eggtimer import parse


class ParseTest(unittest.TestCase):
    def test_one_unit(self) -> None:
        self.assertEqual(parse("45s"), 45)
        self.assertEqual(parse("2d"), 172_800)

    def test_units_add_up(self) -> None:
        self.assertEqual(parse("1h 30m"), 5_400)
        self.assertEqual(parse("3m30s"), 210)

    def test_a_fraction(self) -> None:
        self.assertEqual(parse("1.5h"), 5_400)

    def test_nonsense_is_refused(self) -> None:
        with self.assertRaises(ValueError):
            parse("soon")


if __name__ == "__main__":
    unittest.main()
