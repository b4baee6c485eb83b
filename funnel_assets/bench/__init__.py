"""Measurements that ``make bench`` runs; none of them is a test."""
