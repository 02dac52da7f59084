"""A plugin that offers every kind of component and uses the core alone: no other plugin is imported or subclassed."""
