"""Models on the Hugging Face Hub. Its library is imported only when a model is fetched or pushed."""
