"""Verification: scores of all image pairs, ROC, EER and TAR at a FAR, by protocol, with intervals by family."""
