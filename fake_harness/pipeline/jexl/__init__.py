"""The JEXL subset of Harness expressions: text → tokens → tree → value; nothing is executed.

Source: Apache Commons JEXL 3 syntax reference; Harness expressions reference.
"""
