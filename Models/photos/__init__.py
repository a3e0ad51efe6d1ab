"""Real photos for training and validation: what they show, as far as their labels tell.

The photos stay where ``--data DIR`` says; nothing of them is kept in this repository. DIR holds

======== =====================================================================================
ccp      street photos with pixel labels (Clothing Co-Parsing, Yang et al. 2014)
coco     everyday photos with outlined persons and joints (MS COCO, Lin et al. 2014)
clothes  photos of clothes that nobody wears (clothing-dataset)
======== =====================================================================================
"""
