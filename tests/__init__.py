"""Tests of persist, and what they share."""
