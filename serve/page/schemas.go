package page

import (
	"infer/internal/wire"
	"infer/model/tensor"
	"infer/serve/repository"
)

// sharedSchemas are the schemas that no model changes.
func sharedSchemas() object {
	text, number := object{"type": "string"}, object{"type": "integer", "minimum": 0}
	count := fields(object{"count": number, "ns": number}, "count", "ns")
	port := fields(object{"name": text, "datatype": text, "shape": list(object{"type": "integer"})}, "name", "datatype", "shape")
	parameters := object{"type": "object", "additionalProperties": object{"type": []string{"boolean", "number", "string"}}}
	return object{
		"parameters": parameters,
		"port":       port,
		"error":      fields(object{"error": text}, "error"),
		"health":     fields(object{"live": object{"type": "boolean"}, "ready": object{"type": "boolean"}}, "live", "ready"),
		"names":      fields(object{"models": list(text)}, "models"),
		"server":     fields(object{"name": text, "version": text, "extensions": list(text)}, "name", "version", "extensions"),
		"modelReady": fields(object{"name": text, "ready": object{"type": "boolean"}}, "name", "ready"),
		"metadata": fields(object{
			"name": text, "versions": list(text), "platform": text, "inputs": list(ref("schemas", "port")), "outputs": list(ref("schemas", "port")),
		}, "name", "platform", "inputs", "outputs"),
		"count": count,
		"statistics": fields(object{"model_stats": list(fields(object{
			"name": text, "version": text, "last_inference": number, "inference_count": number, "execution_count": number,
			"inference_stats": object{"type": "object", "additionalProperties": ref("schemas", "count")},
			"batch_stats":     list(object{"type": "object"}),
		}, "name", "version", "inference_count", "execution_count"))}, "model_stats"),
		"index": list(fields(object{
			"name": text, "version": text, "reason": text,
			"state": object{"type": "string", "enum": []string{"READY", "LOADING", "UNLOADING", "UNAVAILABLE"}},
		}, "name", "state")),
		"servableStatus": fields(object{"model_version_status": list(fields(object{
			"version": text, "state": text, "status": object{"type": "object"},
		}, "version", "state"))}, "model_version_status"),
		"indexRequest": object{"type": "object", "properties": object{"ready": object{"type": "boolean", "description": "only those that can serve"}}},
		"split": fields(object{"split": object{
			"type": []string{"object", "null"}, "additionalProperties": object{"type": "integer", "minimum": 0, "maximum": 100},
		}}, "split"),
		"ping": fields(object{"status": text}, "status"),
	}
}

// sharedResponses are the errors, by status.
func sharedResponses() object {
	texts := map[string]string{
		"400": "The request is malformed, or does not fit the model; the text names the field.",
		"403": "The key lacks the right, or this is switched off.",
		"404": "No such model or version.",
		"413": "Over a limit of the server.",
		"415": "A content type or encoding that the server does not take.",
		"503": "Not now: overload, draining, or not loaded yet. Retry-After says when to come again.",
		"504": "The time that the request gave ran out.",
	}
	out := object{}
	for status, description := range texts {
		r := object{"description": description, "content": object{"application/json": object{"schema": ref("schemas", "error")}}}
		if status == "503" {
			r["headers"] = object{"Retry-After": object{"description": "Seconds.", "schema": object{"type": "integer", "minimum": 0}}}
		}
		out["error"+status] = r
	}
	return out
}

// fields is the schema of an object that has properties, some of which are required.
func fields(properties object, required ...string) object {
	return object{"type": "object", "properties": properties, "required": required}
}

func list(items any) object { return object{"type": "array", "items": items} }

// inferRequest is the schema of an Open Inference Protocol request to a model.
func inferRequest(info *repository.Info) object {
	inputs, outputs := []object{}, []object{}
	for _, p := range info.Inputs {
		t := portSchema(p)
		t["properties"].(object)["data"] = dataSchema(p.DType)
		t["required"] = []string{"name", "shape", "datatype", "data"}
		inputs = append(inputs, t)
	}
	for _, p := range info.Outputs {
		outputs = append(outputs, fields(object{"name": object{"const": p.Name}, "parameters": ref("schemas", "parameters")}, "name"))
	}
	s := fields(object{
		"id":         object{"type": "string"},
		"parameters": ref("schemas", "parameters"),
		"inputs":     object{"type": "array", "items": object{"oneOf": inputs}, "minItems": 1, "maxItems": len(inputs)},
	}, "inputs")
	if len(outputs) > 0 {
		s["properties"].(object)["outputs"] = list(object{"oneOf": outputs})
	}
	return s
}

// inferResponse is the schema of the answer.
func inferResponse(info *repository.Info) object {
	outputs := []object{}
	for _, p := range info.Outputs {
		t := portSchema(p)
		t["properties"].(object)["data"] = dataSchema(p.DType)
		outputs = append(outputs, t)
	}
	return fields(object{
		"model_name":    object{"const": info.Name},
		"model_version": object{"type": "string"},
		"id":            object{"type": "string"},
		"parameters":    ref("schemas", "parameters"),
		"outputs":       object{"type": "array", "items": object{"oneOf": outputs}},
	}, "model_name", "outputs")
}

// portSchema is the schema of a tensor without its data.
func portSchema(p wire.Port) object {
	dims := []object{}
	for _, d := range p.Shape {
		if d < 0 {
			dims = append(dims, object{"type": "integer", "minimum": 0})
		} else {
			dims = append(dims, object{"const": d})
		}
	}
	shape := object{"type": "array", "minItems": len(dims), "maxItems": len(dims)}
	if len(dims) > 0 {
		shape["prefixItems"] = dims
	}
	return fields(object{
		"name": object{"const": p.Name}, "datatype": object{"const": wire.Datatype(p.DType)}, "shape": shape,
		"parameters": ref("schemas", "parameters"),
	}, "name", "shape", "datatype")
}

// dataSchema is the schema of the elements of a tensor: flat, or nested as the shape says.
func dataSchema(d tensor.DType) object {
	var element object
	switch {
	case d == tensor.String:
		element = object{"type": []string{"string", "array"}}
	case d == tensor.Bool:
		element = object{"type": []string{"boolean", "array"}}
	case d.IsInt():
		element = object{"type": []string{"integer", "array"}}
	default:
		element = object{"type": []string{"number", "array"}}
	}
	return list(element)
}
