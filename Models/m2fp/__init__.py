"""M2FP (Mask2Former for Parsing): multi-person human part segmentation.

Written from the paper (Yang et al., "Deep Learning Technique for Human Parsing: A Survey and
Outlook", arXiv 2301.00394) and from the published layer sizes. Parameter names follow the
official checkpoints, so that these load without a renaming table.
"""
