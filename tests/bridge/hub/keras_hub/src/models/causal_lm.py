"""How KerasHub generates text: `compile` takes a sampler, `generate` calls what `make_generate_function` gives."""

from __future__ import annotations

from typing import Any

import keras


class CausalLM(keras.Model):
    sampler: Any = None
    generate_function: Any = None

    def compile(self, *, sampler: Any, **kwargs: Any) -> None:
        super().compile(**kwargs)
        self.sampler = sampler
        self.generate_function = None

    def generate_step(self, inputs: Any, stop_token_ids: Any = None) -> Any:
        raise NotImplementedError

    def make_generate_function(self) -> Any:
        if self.generate_function is None:
            if keras.config.backend() in ("tensorflow", "jax"):
                raise NotImplementedError
            self.generate_function = self.generate_step
        return self.generate_function

    def generate(self, inputs: Any, stop_token_ids: Any = None) -> Any:
        return self.make_generate_function()(inputs, stop_token_ids=stop_token_ids)
