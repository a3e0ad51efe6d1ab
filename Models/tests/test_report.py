import unittest

from reference import report


class ReportTest(unittest.TestCase):
    def test_profile_gains_shares_of_the_time_and_of_the_peak(self):
        profile = (
            "| operator | calls | ms | GFLOP/s |\n|---|---:|---:|---:|\n"
            "| convolution 3×3 | 4 | 1500.0 | 60 |\n| sort | 1 | 500.0 |  |\n"
            "| all | 5 | 2000.0 | 45 |\n"
        )
        lines = report.profile_table(profile, 80).splitlines()
        self.assertEqual(
            lines[0], "| operator | calls | ms | GFLOP/s | of the time | of the peak |"
        )
        self.assertEqual(lines[2], "| convolution 3×3 | 4 | 1500.0 | 60 | 75.0% | 75% |")
        self.assertEqual(lines[3], "| sort | 1 | 500.0 |  | 25.0% |  |")
        self.assertEqual(lines[4], "| all | 5 | 2000.0 | 45 | 100.0% | 56% |")

    def test_contender_that_was_not_measured_is_left_out(self):
        run = {"seconds": 2.0, "memory": 1e9}
        slow = {"seconds": 3.0, "memory": 1e9}
        network = {"m2fp": run, "m2fp-int16": run, "openvino": slow}
        text = report.network_section({"network": {"1": network, "2": network, "peak": 100}})
        self.assertIn("| OpenVINO | 3.00 | 1.50 | 3.00 | 1.50 | 1000 |", text)
        self.assertNotIn("PyPI", text)
        self.assertIn("1.50 times as fast as the fastest peer", text)

    def test_a_dense_network_is_compared_with_the_faster_peer(self):
        seconds = {"m2fp": 2.0, "onnxruntime": 3.0, "openvino": 2.5}
        run = {key: {"seconds": x, "memory": x * 1e8} for key, x in seconds.items()}
        text = report.dense_section({"dense": {"schp-lip": {"size": 473, **run}}})
        row = "| schp-lip, 473×473 | 2.00 | 3.00 | 2.50 | 1.25 | 200 | 300 | 250 |"
        self.assertEqual(text.splitlines()[-1], row)


if __name__ == "__main__":
    unittest.main()
