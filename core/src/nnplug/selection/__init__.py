"""Select the best configuration or ensemble by cross-validation."""
