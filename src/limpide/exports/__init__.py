"""Exports: trained networks as ONNX and as source code for NumPy, Python, PyTorch and Keras.

Answers for walking a traced graph, whatever layers it came from. Not for: model files
(``limpide.storage``); no code of its own: ``networks`` and ``models`` are the two doors.
"""
